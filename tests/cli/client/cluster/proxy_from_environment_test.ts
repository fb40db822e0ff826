import assert from "node:assert/strict";
import { proxyFromEnvironment } from "../../../../cli/client/cluster/proxy_from_environment.ts";

function proxyFor(url: string, env: Record<string, string>): string | undefined {
  return proxyFromEnvironment(new URL(url), (name) => env[name]);
}

const PROXY = { HTTPS_PROXY: "http://proxy:3128" };

Deno.test("proxyFromEnvironment: the URL's scheme chooses the variable", () => {
  const env = { HTTPS_PROXY: "http://s:1", HTTP_PROXY: "http://h:1" };
  assert.equal(proxyFor("https://api:6443", env), "http://s:1");
  assert.equal(proxyFor("http://api:8080", env), "http://h:1");
  assert.equal(proxyFor("https://api", { https_proxy: "p:3" }), "http://p:3");
  assert.equal(proxyFor("https://api", { HTTP_PROXY: "h:1", ALL_PROXY: "a:1" }), undefined);
  assert.equal(proxyFor("https://api", { HTTPS_PROXY: "" }), undefined);
  assert.equal(proxyFor("https://api", { HTTPS_PROXY: "socks5://p:1080" }), "socks5://p:1080");
});

// As kubectl 1.37 used them.
const PROXIES: [text: string, proxy: string | undefined][] = [
  ["http://p:3128", "http://p:3128"],
  ["HTTP://p:3128/path?a=b", "http://p:3128"],
  ["p", "http://p"],
  ["p:80", "http://p:80"],
  ["u:p@p:1", "http://u:p@p:1"],
  ["u%40@p:1", "http://u%40@p:1"],
  ["https://p", "https://p"],
  ["https://p:80", "https://p:80"],
  ["[::1]:3", "http://[::1]:3"],
  ["SOCKS5://p:1", "socks5://p:1"],
  ["ftp://p:1", "http://p:1"],
  ["http://[", undefined],
  [":::", undefined],
  [" http://p:3128 ", undefined],
];

Deno.test("proxyFromEnvironment: a proxy is a URL, or a host and a port", () => {
  for (const [text, proxy] of PROXIES) {
    assert.equal(proxyFor("https://api", { HTTPS_PROXY: text }), proxy, text);
  }
});

Deno.test("proxyFromEnvironment: this machine needs no proxy", () => {
  for (const host of ["localhost", "127.0.0.1", "127.8.9.10", "[::1]", "[::ffff:127.0.0.1]"]) {
    assert.equal(proxyFor(`https://${host}:6443`, PROXY), undefined, host);
  }
});

// As golang.org/x/net/http/httpproxy documents them.
const EXCEPTIONS: [noProxy: string, url: string, isExcepted: boolean][] = [
  ["*", "https://api.example.com", true],
  ["example.com", "https://example.com", true],
  ["example.com", "https://api.example.com", true],
  ["example.com", "https://notexample.com", false],
  [".example.com", "https://api.example.com", true],
  [".example.com", "https://example.com", false],
  ["*.example.com", "https://api.example.com", true],
  ["EXAMPLE.com", "https://api.Example.COM", true],
  ["foo, example.com ,bar", "https://example.com", true],
  ["example.com:6443", "https://example.com:6443", true],
  ["example.com:443", "https://example.com", true],
  ["example.com:6443", "https://example.com", false],
  ["10.1.2.3", "https://10.1.2.3:6443", true],
  ["10.1.2.3:6443", "https://10.1.2.3:6443", true],
  ["10.1.2.3:6443", "https://10.1.2.3", false],
  ["10.0.0.0/8", "https://10.1.2.3:6443", true],
  ["10.0.0.0/8", "https://11.1.2.3:6443", false],
  ["10.0.0.0/8", "https://ten.example.com", false],
  ["fd00::/8", "https://[fd12::1]:6443", true],
  ["fe80::/10", "https://[fd12::1]:6443", false],
  ["fd12::1", "https://[fd12:0:0::1]:6443", true],
  ["[fd12::1]:6443", "https://[fd12::1]:6443", true],
  // Seen with golang.org/x/net/http/httpproxy.
  ["fd12::1%eth0", "https://[fd12::1]", false],
  ["[fd12::1]", "https://[fd12::1]", false],
  ["::ffff:10.1.2.3", "https://10.1.2.3", true],
  ["::ffff:10.1.2.0/120", "https://10.1.2.3", true],
  ["10.1.2.3/33", "https://10.1.2.3", false],
  ["010.1.2.3", "https://10.1.2.3", false],
  ["10.1.2", "https://10.1.2.3", false],
  ["http://example.com", "https://example.com", false],
  ["example.com/24", "https://example.com", false],
  ["example.com.", "https://example.com", false],
  ["com", "https://example.com", true],
  ["*.com:6443", "https://example.com:6443", true],
  ["*:6443", "https://example.com:6443", false],
  [":6443", "https://example.com:6443", false],
  ["example.com:", "https://example.com", true],
  ["bücher.example", "https://bücher.example", true],
  ["xn--bcher-kva.example", "https://bücher.example", true],
  ["", "https://example.com", false],
  [",", "https://example.com", false],
];

Deno.test("proxyFromEnvironment: NO_PROXY excepts hosts, domains and ranges", () => {
  for (const [noProxy, url, isExcepted] of EXCEPTIONS) {
    const found = proxyFor(url, { ...PROXY, NO_PROXY: noProxy });
    assert.equal(found, isExcepted ? undefined : PROXY.HTTPS_PROXY, `${noProxy} ${url}`);
  }
});
