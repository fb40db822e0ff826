import assert from "node:assert/strict";
import { toFrame } from "../../../cli/script/frame_line.ts";
import { type FrameKind, frameKind } from "../../../cli/script/frame_kind.ts";

const KINDS: Record<FrameKind, string[]> = {
  kernel: [
    ...["[kernel.kallsyms]", "[guest.kernel.kallsyms]", "[guest.kernel.kallsyms.4711]"],
    ...["[kernel.kallsyms]_text", "[kernel.vmlinux]", "[kernel.vmlinux].init.text", "[kernel]"],
    ...["[xfs]", "[kvm_intel]", "[nf_tables]", "/proc/kcore", "[kernel.kcore]"],
    ...["/usr/lib/modules/6.1.0/kernel/fs/xfs/xfs.ko.xz", "/lib/modules/6.1.0/extra/a.ko"],
    ...["/lib/modules/6.1.0/a.ko.gz", "/lib/modules/6.1.0/a.ko.zst"],
    ...["/usr/lib/debug/lib/modules/6.1.0/kernel/fs/ext4/ext4.ko.debug"],
    ...["/usr/lib/debug/boot/vmlinux-6.1.0", "/boot/vmlinux", "vmlinux", "/root/vmlinux.debug"],
    ...["bpf_prog_2b956549c660136a_lb", "bpf_prog_6deef7357e7b4530", "bpf_trampoline_6442536467"],
    ...["bpf_dispatcher_xdp", "ftrace_trampoline", "kprobe_insn_page", "kprobe_optinsn_page"],
  ],
  library: [
    ...["[vdso]", "[vdso32]", "[vsyscall]", "[vectors]", "[sigpage]"],
    ...[
      "/usr/lib/libc.so.6",
      "/usr/lib/ld-linux-x86-64.so.2 (deleted)",
      "/lib/ld-musl-x86_64.so.1",
    ],
  ],
  jit: [
    ...["/tmp/perf-12.map", "/proc/7/root/tmp/perf-1.map", "/tmp/jitted-12-3.so", "//anon"],
    ...["[JIT] tid 4711", "[anon:v8]", "[anon]", "[anon_shmem:jit]", "/anon_hugepage (deleted)"],
    ...["/memfd:doublemapper (deleted)", "/memfd:jit-cache", "/SYSV00000000 (deleted)"],
    ...["/dev/zero (deleted)", "/dev/ashmem/dalvik-jit-code-cache (deleted)"],
  ],
  user: [
    ...["/usr/bin/web", "/usr/bin/web.solid", "/usr/bin/web (deleted)", "[heap]", "[stack]"],
    ...[
      "[stack:4711]",
      "[uprobes]",
      "/usr/share/dotnet/System.Private.CoreLib.dll",
      "/srv/vmlinux/a",
    ],
    ...["/srv/bpf_prog_tool", "/srv/memfd:x", "/srv/kore"],
  ],
  inlined: ["inlined"],
  unknown: [],
};

Deno.test("frameKind: by a function's file one sees where it runs", () => {
  for (const [kind, files] of Object.entries(KINDS)) {
    for (const dso of files) assert.equal(frameKind({ symbol: "f", dso }), kind, dso);
  }
  assert.equal(frameKind({ symbol: "[unknown]", dso: "[unknown]" }), "unknown");
  assert.equal(frameKind({ symbol: "[unknown]", dso: "" }), "unknown");
  assert.equal(frameKind({ symbol: "[unknown]", dso: "/usr/bin/web" }), "user");
});

Deno.test("frameKind: an address of the kernel decides before any file", () => {
  const kind = (address: bigint, dso: string) =>
    frameKind(toFrame({ address, symbol: "f", dso, offset: 0 }));
  const kernel = 0xffffffffc09ace93n;
  for (const dso of ["[unknown]", "", "//anon", "/usr/bin/web", "[heap]", "bpf_prog_1_f"]) {
    assert.equal(kind(kernel, dso), "kernel", dso);
  }
  // arm64 has the kernel lower.
  assert.equal(kind(0xffff000008081234n, "[unknown]"), "kernel");
  assert.equal(kind(kernel, "inlined"), "inlined");
  // What programs call of it, and numbers below zero, which come of broken stacks.
  assert.equal(kind(0xffffffffff600010n, "[vsyscall]"), "library");
  assert.equal(kind(0xffffffffffffff80n, "/usr/bin/web"), "user");
  assert.equal(kind(0xfff8000012345678n, "/usr/bin/web"), "user");
  for (const dso of ["[uprobes]", "[heap]"]) assert.equal(kind(0x7fff12345000n, dso), "user", dso);
  assert.equal(kind(0x7fff12345000n, "[JIT] tid 7"), "jit");
});
