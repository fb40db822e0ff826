import config from "./deno.json" with { type: "json" };

/** The release that both programs belong to. */
export const VERSION: string = config.version;
