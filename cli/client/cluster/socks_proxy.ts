/**
 * What a SOCKS proxy takes, for those who have one.
 *
 * @module
 */
import "./mask_env.ts";

// By its name, which an `import()` of the package does not have when both are bundled.
export { SocksProxyAgent } from "socks-proxy-agent";
