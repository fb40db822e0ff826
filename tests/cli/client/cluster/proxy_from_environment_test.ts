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
  assert.equal(proxyFor("https://api", { HTTPS_PROXY: "" }), undefined);
  assert.equal(proxyFor("https://api", { HTTPS_PROXY: "socks5://p:1080" }), "socks5://p:1080");
});

Deno.test("proxyFromEnvironment: this machine needs no proxy", () => {
  for (const host of ["localhost", "127.0.0.1", "127.8.9.10", "[::1]"]) {
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
  ["", "https://example.com", false],
  [",", "https://example.com", false],
];

Deno.test("proxyFromEnvironment: NO_PROXY excepts hosts, domains and ranges", () => {
  for (const [noProxy, url, isExcepted] of EXCEPTIONS) {
    const found = proxyFor(url, { ...PROXY, NO_PROXY: noProxy });
    assert.equal(found, isExcepted ? undefined : PROXY.HTTPS_PROXY, `${noProxy} ${url}`);
  }
});
