import assert from "node:assert/strict";
import { formatSize, parseSize } from "../../daemon/size.ts";

Deno.test("parseSize: sizes are read as Kubernetes writes them", () => {
  assert.equal(parseSize("2Gi"), 2 * 1024 * 1024 * 1024);
  assert.equal(parseSize("512Mi"), 512 * 1024 * 1024);
  assert.equal(parseSize("64Ki"), 65_536);
  assert.equal(parseSize("1000"), 1000);
});

Deno.test("parseSize: a size of another form is refused by its text", () => {
  for (
    const text of ["", "0", "0Gi", "-1", "1.5Gi", "1G", "1GiB", "Gi", " 1", "1e3", "9".repeat(20)]
  ) {
    assert.throws(() => parseSize(text), (error: Error) => {
      assert.ok(error instanceof RangeError && error.message.startsWith(`'${text}' is not a size`));
      return true;
    });
  }
});

Deno.test("formatSize: a size is written in the largest unit that fits", () => {
  assert.equal(formatSize(3 * 1024 ** 3), "3Gi");
  assert.equal(formatSize(1536 * 1024 ** 2), "1536Mi");
  assert.equal(formatSize(1025), "1025");
});
