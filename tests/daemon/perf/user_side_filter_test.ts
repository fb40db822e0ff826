import assert from "node:assert/strict";
import { UserSideFilter } from "../../../daemon/perf/user_side_filter.ts";

const KERNEL = 1;
const USER = 2;

/** A record: u32 type, u16 misc, u16 size, then `words` of 64 bits. */
function perfRecord(type: number, misc: number, words: bigint[] = []): Uint8Array {
  const bytes = new Uint8Array(8 + words.length * 8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint16(4, misc, true);
  view.setUint16(6, bytes.length, true);
  words.forEach((word, index) => view.setBigUint64(8 + index * 8, word, true));
  return bytes;
}

const FILE_HEADER = (() => {
  const header = new Uint8Array(16);
  header.set(new TextEncoder().encode("PERFILE2"));
  new DataView(header.buffer).setBigUint64(8, 16n, true);
  return header;
})();

/** PERF_RECORD_HEADER_TRACING_DATA: u32 size of what follows it, which looks like a sample here. */
const TRACING_DATA = (() => {
  const record = perfRecord(66, 0, [8n]).subarray(0, 12);
  new DataView(record.buffer).setUint16(6, 12, true);
  return Buffer.concat([record, perfRecord(9, USER)]);
})();

const SAMPLE = perfRecord(9, USER, [1n, 2n, 3n]);

function filtered(records: Uint8Array[], chunkBytes = Infinity): Uint8Array {
  const bytes = Buffer.concat([FILE_HEADER, ...records]);
  const filter = new UserSideFilter();
  const kept: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    kept.push(filter.keep(bytes.subarray(at, at + chunkBytes)).slice());
  }
  return Buffer.concat(kept);
}

Deno.test("UserSideFilter: leaves out what says something of the kernel or the node", () => {
  const dropped = {
    "kernel MMAP": perfRecord(1, KERNEL, Array(8).fill(9n)),
    "kernel MMAP2": perfRecord(10, KERNEL, Array(12).fill(9n)),
    "guest kernel MMAP2": perfRecord(10, 4, Array(12).fill(9n)),
    "KSYMBOL": perfRecord(17, 0, [0xffffffff81000000n, 1n]),
    "BPF_EVENT": perfRecord(18, 0, [1n]),
    "CGROUP": perfRecord(19, 0, [1n, 2n]),
    "TEXT_POKE": perfRecord(20, 0, [0xffffffff81000000n, 1n]),
    "BUILD_ID of the kernel": perfRecord(67, KERNEL, [1n, 2n, 3n, 4n]),
    "CPU_MAP": perfRecord(74, 0, [1n]),
    "TIME_CONV": perfRecord(79, 0, [1n, 2n, 3n]),
    "one of a later perf": perfRecord(99, USER, [1n]),
    "TRACING_DATA with what follows it": TRACING_DATA,
    "feature HOSTNAME": perfRecord(80, 0, [3n, 9n]),
    "feature OSRELEASE": perfRecord(80, 0, [4n, 9n]),
    "feature CMDLINE": perfRecord(80, 0, [11n, 9n]),
    "feature CPU_TOPOLOGY": perfRecord(80, 0, [13n, 9n]),
    "feature BPF_PROG_INFO": perfRecord(80, 0, [25n, 9n]),
    "feature of a later perf": perfRecord(80, 0, [99n, 9n]),
  };
  for (const [name, record] of Object.entries(dropped)) {
    for (let size = 1; size <= record.length + SAMPLE.length; size++) {
      assert.deepEqual(
        filtered([SAMPLE, record, SAMPLE], size),
        Buffer.concat([FILE_HEADER, SAMPLE, SAMPLE]),
        `${name}, in chunks of ${size}`,
      );
    }
  }
});

Deno.test("UserSideFilter: keeps what perf needs to read the samples, byte for byte", () => {
  const records = [
    perfRecord(64, 0, Array(18).fill(7n)),
    perfRecord(80, 0, [6n, 9n]),
    perfRecord(80, 0, [12n, 9n, 9n]),
    // Ends the features, under a number that grows with each perf.
    perfRecord(80, 0, [32n]),
    perfRecord(69, 0, [1n]),
    perfRecord(10, USER, Array(12).fill(9n)),
    perfRecord(3, 0, [1n]),
    SAMPLE,
    perfRecord(13, 0, [4n]),
    perfRecord(68, 0),
  ];
  const whole = Buffer.concat([FILE_HEADER, ...records]);
  for (let size = 1; size <= whole.length; size++) {
    assert.deepEqual(filtered(records, size), whole, `in chunks of ${size}`);
  }
});

Deno.test("UserSideFilter: a sample that was taken in the kernel does not say where", () => {
  const address = 0xffffffff82266b73n;
  const [withId, withoutId] = [1n << 16n | 1n, 1n].map((sampleType) =>
    perfRecord(64, 0, [0n, 0n, 0n, sampleType, ...Array(14).fill(7n)])
  );
  const cases = [
    { attr: withId, sample: [5n, address, 6n, 7n], left: [5n, 0n, 6n, 7n] },
    { attr: withoutId, sample: [address, 6n, 7n], left: [0n, 6n, 7n] },
  ];
  for (const { attr, sample, left } of cases) {
    const whole = Buffer.concat([FILE_HEADER, attr, perfRecord(9, 0x4000 | USER, left), SAMPLE]);
    for (let size = 1; size <= whole.length; size++) {
      const records = [attr, perfRecord(9, 0x4000 | KERNEL, sample), SAMPLE];
      assert.deepEqual(filtered(records, size), whole, `in chunks of ${size}`);
    }
  }
});

Deno.test("UserSideFilter: refuses bytes that are not perf.data", () => {
  assert.throws(() => new UserSideFilter().keep(new Uint8Array(64)), /not perf.data/);
});
