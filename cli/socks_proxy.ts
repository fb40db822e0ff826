/**
 * What a SOCKS proxy takes, for those who have one.
 *
 * @module
 */
import "./forgiving_environment.ts";

// By its name, which an `import()` of the package does not have when both are bundled.
export { SocksProxyAgent } from "socks-proxy-agent";
