/**
 * Calls of the daemon's methods, as promises, and what is left after them.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { FetchResultResponse__Output } from "../../proto/gen/necoperf/FetchResultResponse.ts";
import type {
  _necoperf_RecordingEvent_Finished__Output as Finished,
  RecordingEvent__Output,
} from "../../proto/gen/necoperf/RecordingEvent.ts";
import type { StartRecordingRequest } from "../../proto/gen/necoperf/StartRecordingRequest.ts";
import type { TestDaemon } from "./daemon.ts";
import { eventually } from "./process.ts";

type Client = Pick<TestDaemon, "client">;

/** What StartRecording reports, to its end. */
export async function collect(
  { client }: Client,
  request: StartRecordingRequest,
  onEvent: (event: RecordingEvent__Output) => void = () => {},
): Promise<RecordingEvent__Output[]> {
  const events: RecordingEvent__Output[] = [];
  const stream: AsyncIterable<RecordingEvent__Output> = client.StartRecording(request);
  for await (const event of stream) {
    events.push(event);
    onEvent(event);
  }
  return events;
}

/** The bytes of a result from an offset on, and what the last message says of all of it. */
export async function fetchWhole(
  { client }: Client,
  recordingId: string,
  offset = 0,
): Promise<{ compressed: Buffer; finished: Finished }> {
  const chunks: Uint8Array[] = [];
  let finished: Finished | null = null;
  const responses: AsyncIterable<FetchResultResponse__Output> = client
    .FetchResult({ recordingId, offset });
  for await (const response of responses) {
    if (finished) throw new Error("a message came after the one with `finished`");
    chunks.push(response.data);
    finished = response.finished;
  }
  if (!finished) throw new Error("the last message has no `finished`");
  return { compressed: Buffer.concat(chunks), finished };
}

/** The bytes of a result from an offset on. */
export async function fetchResult(
  daemon: Client,
  recordingId: string,
  offset = 0,
): Promise<Uint8Array> {
  return (await fetchWhole(daemon, recordingId, offset)).compressed;
}

export function deleteResult({ client }: Client, recordingId: string): Promise<void> {
  return new Promise((resolve, reject) =>
    client.DeleteResult({ recordingId }, (error) => error ? reject(error) : resolve())
  );
}

/** Nothing is left of any recording: no perf, no workload of one, no file. */
export async function assertNothingLeft(daemon: TestDaemon): Promise<void> {
  const children = await findChildren(daemon.pid);
  const running = children.filter((line) => !line.endsWith("<defunct>"));
  assert.deepEqual(running, [], "processes of the daemon");
  // What has ended is waited for by the runtime, a moment later.
  await eventually(async () => assert.deepEqual(await findChildren(daemon.pid), []));
  assert.deepEqual([...Deno.readDirSync(daemon.workDir)], [], "files in the work directory");
}

/** The processes that a process has started, each as its number and its command line. */
export async function findChildren(pid: number): Promise<string[]> {
  const output = await new Deno.Command("pgrep", { args: ["-a", "-P", `${pid}`] }).output();
  return new TextDecoder().decode(output.stdout).split("\n").filter((line) => line !== "");
}
