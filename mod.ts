/**
 * NecoPerf as a library: profile containers of a Kubernetes cluster from a program of your own.
 *
 * ```ts no-run
 * import { findTarget, profile } from "@necoperf/necoperf";
 *
 * const target = await findTarget({ namespace: "shop", pod: "web-7d4b9", container: "app" });
 * const { path, samples } = await profile({ target, durationSeconds: 30, outputDirectory: "." });
 * console.log(`${samples} samples in ${path}`);
 * ```
 *
 * A result, or any other text of perf script's, is read sample by sample with `parsePerfScript`,
 * counted with `foldPerfScript`, and made into a flame graph and more with `convertScript`:
 *
 * ```ts no-run
 * import { convertScript } from "@necoperf/necoperf";
 *
 * const text = (await Deno.open("web.perf.txt")).readable;
 * const page = convertScript(text, { format: "flamegraph", title: "web", inputName: "web.perf.txt" });
 * await Deno.writeFile("web.html", ReadableStream.from(page));
 * ```
 *
 * Errors that are meant for a user are `CliError`s. Nothing heavy is loaded before it is needed.
 *
 * @module
 */
export {
  profile,
  type ProfileOptions,
  type ProfileResult,
} from "./cli/client/recording/profile.ts";
export {
  type ContainerReference,
  findTarget,
  openTarget,
  type PodReference,
  type Target,
} from "./cli/client/targets/target.ts";
export type { CpuResources } from "./cli/client/targets/pick_container.ts";
export { type FetchOptions, fetchResult } from "./cli/client/recording/fetch.ts";
export {
  type AddressReference,
  findDaemon,
  type NamespaceReference,
  type NodeReference,
  openDaemon,
} from "./cli/client/targets/find_daemon.ts";
export {
  type DownloadHooks,
  fetchRecording,
  recordContainer,
  type RecordingRequest,
  type ResultRequest,
} from "./cli/client/recording/daemon_client.ts";
export type {
  DaemonEndpoint,
  DaemonTunnel,
  Route,
  Via,
} from "./cli/client/daemon/daemon_endpoint.ts";
export type { DaemonReference } from "./cli/client/daemon/reconnecting_client.ts";
export type { RecordingHooks, RecordingOrder } from "./cli/client/recording/recording.ts";
export type { CpuBandwidth, CpuCounters } from "./proto/cpu_counters.ts";
export type {
  DownloadEvent,
  RecordingEvent,
  RecordingSummary,
} from "./cli/client/recording/recording_event.ts";
export type { ConnectionEvent } from "./cli/client/daemon/reconnecting_client.ts";
export type { ResultSink } from "./cli/client/recording/result_download.ts";
export { type PendingResult, PendingResultError } from "./cli/client/recording/pending_result.ts";
export {
  type AccessOptions,
  type DaemonCredentials,
  type PlainConnection,
  type ServiceAccountCandidates,
  type TlsConnection,
} from "./cli/client/daemon/daemon_credentials.ts";
export type { TokenSource } from "./cli/client/daemon/bearer_token.ts";
export type { IssuedToken } from "./cli/client/cluster/kubernetes.ts";
export type { ClientCertificate } from "./cli/client/daemon/certificates.ts";
export type { SentRequest } from "./cli/client/cluster/api_client.ts";
export type { KubeconfigOptions } from "./cli/client/cluster/kubeconfig.ts";
export type { ClusterOptions, PodSelectors } from "./cli/client/cluster/kubernetes.ts";
export { BusyError } from "./cli/client/daemon/rpc_failure.ts";
export {
  findTargets,
  type FoundTargets,
  type SkippedPod,
  type TargetsReference,
} from "./cli/client/targets/find_targets.ts";
export {
  profileAll,
  type ProfileAllHooks,
  type ProfileAllOptions,
  type ProfileAllResult,
} from "./cli/client/recording/profile_all.ts";
export {
  formatTargetName,
  parseTargetName,
  type TargetName,
} from "./cli/client/targets/target_name.ts";
export type { WorkloadType } from "./cli/client/cluster/workload.ts";
export type { CallGraph, RecordOptions } from "./cli/client/recording/record_options.ts";
export { CONVERTED_FORMATS, type ConvertedFormat } from "./cli/formats/converted_format.ts";
export { type Conversion, convertScript } from "./cli/formats/format.ts";
export { CliError, ExitStatus } from "./cli/errors.ts";
export { formatDuration, parseDuration } from "./proto/duration.ts";
export type { Completeness } from "./proto/completeness.ts";
export type { OneSide, Side } from "./proto/side.ts";
export { type ParseOptions, parsePerfScript } from "./cli/script/parse.ts";
export type { Sample, SampleFrame } from "./cli/script/sample.ts";
export { type Readable, readPieces } from "./cli/script/read_pieces.ts";
export { type FoldOptions, foldPerfScript } from "./cli/script/fold.ts";
export type {
  EventProfile,
  Frame,
  LeftOut,
  ScriptSummary,
  Stack,
  StackProfile,
  ThreadTimes,
} from "./cli/script/stack_profile.ts";
export { type FrameKind, frameKind } from "./cli/script/frame_kind.ts";
export { foldedLines, type FoldedOptions } from "./cli/script/folded.ts";
