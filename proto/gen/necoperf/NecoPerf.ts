// Original file: proto/necoperf.proto

import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { DeleteResultRequest as _necoperf_DeleteResultRequest, DeleteResultRequest__Output as _necoperf_DeleteResultRequest__Output } from '../necoperf/DeleteResultRequest.ts';
import type { DeleteResultResponse as _necoperf_DeleteResultResponse, DeleteResultResponse__Output as _necoperf_DeleteResultResponse__Output } from '../necoperf/DeleteResultResponse.ts';
import type { FetchResultRequest as _necoperf_FetchResultRequest, FetchResultRequest__Output as _necoperf_FetchResultRequest__Output } from '../necoperf/FetchResultRequest.ts';
import type { FetchResultResponse as _necoperf_FetchResultResponse, FetchResultResponse__Output as _necoperf_FetchResultResponse__Output } from '../necoperf/FetchResultResponse.ts';
import type { GetDaemonInfoRequest as _necoperf_GetDaemonInfoRequest, GetDaemonInfoRequest__Output as _necoperf_GetDaemonInfoRequest__Output } from '../necoperf/GetDaemonInfoRequest.ts';
import type { GetDaemonInfoResponse as _necoperf_GetDaemonInfoResponse, GetDaemonInfoResponse__Output as _necoperf_GetDaemonInfoResponse__Output } from '../necoperf/GetDaemonInfoResponse.ts';
import type { PerfProfileRequest as _necoperf_PerfProfileRequest, PerfProfileRequest__Output as _necoperf_PerfProfileRequest__Output } from '../necoperf/PerfProfileRequest.ts';
import type { PerfProfileResponse as _necoperf_PerfProfileResponse, PerfProfileResponse__Output as _necoperf_PerfProfileResponse__Output } from '../necoperf/PerfProfileResponse.ts';
import type { PerfRecordRequest as _necoperf_PerfRecordRequest, PerfRecordRequest__Output as _necoperf_PerfRecordRequest__Output } from '../necoperf/PerfRecordRequest.ts';
import type { PerfRecordResponse as _necoperf_PerfRecordResponse, PerfRecordResponse__Output as _necoperf_PerfRecordResponse__Output } from '../necoperf/PerfRecordResponse.ts';
import type { RecordingEvent as _necoperf_RecordingEvent, RecordingEvent__Output as _necoperf_RecordingEvent__Output } from '../necoperf/RecordingEvent.ts';
import type { StartRecordingRequest as _necoperf_StartRecordingRequest, StartRecordingRequest__Output as _necoperf_StartRecordingRequest__Output } from '../necoperf/StartRecordingRequest.ts';
import type { StopRecordingRequest as _necoperf_StopRecordingRequest, StopRecordingRequest__Output as _necoperf_StopRecordingRequest__Output } from '../necoperf/StopRecordingRequest.ts';
import type { StopRecordingResponse as _necoperf_StopRecordingResponse, StopRecordingResponse__Output as _necoperf_StopRecordingResponse__Output } from '../necoperf/StopRecordingResponse.ts';

export interface NecoPerfClient extends grpc.Client {
  /**
   * Has the daemon delete a result: it has arrived whole, or is not wanted any
   * more. A result that is still being made is given up.
   */
  DeleteResult(argument: _necoperf_DeleteResultRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_necoperf_DeleteResultResponse__Output>): grpc.ClientUnaryCall;
  DeleteResult(argument: _necoperf_DeleteResultRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_necoperf_DeleteResultResponse__Output>): grpc.ClientUnaryCall;
  DeleteResult(argument: _necoperf_DeleteResultRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_necoperf_DeleteResultResponse__Output>): grpc.ClientUnaryCall;
  DeleteResult(argument: _necoperf_DeleteResultRequest, callback: grpc.requestCallback<_necoperf_DeleteResultResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Has the daemon delete a result: it has arrived whole, or is not wanted any
   * more. A result that is still being made is given up.
   */
  deleteResult(argument: _necoperf_DeleteResultRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_necoperf_DeleteResultResponse__Output>): grpc.ClientUnaryCall;
  deleteResult(argument: _necoperf_DeleteResultRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_necoperf_DeleteResultResponse__Output>): grpc.ClientUnaryCall;
  deleteResult(argument: _necoperf_DeleteResultRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_necoperf_DeleteResultResponse__Output>): grpc.ClientUnaryCall;
  deleteResult(argument: _necoperf_DeleteResultRequest, callback: grpc.requestCallback<_necoperf_DeleteResultResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Streams the bytes of a result, from an offset on. While the result is still
   * being made the stream follows it to its end. The first message is empty, and
   * says that the call was taken; the last has `finished`.
   * 
   * Ends with RESOURCE_EXHAUSTED when too many results of the node are being read,
   * of which one tenant may have half, and with ABORTED when the caller takes
   * nothing for too long.
   */
  FetchResult(argument: _necoperf_FetchResultRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_necoperf_FetchResultResponse__Output>;
  FetchResult(argument: _necoperf_FetchResultRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_necoperf_FetchResultResponse__Output>;
  /**
   * Streams the bytes of a result, from an offset on. While the result is still
   * being made the stream follows it to its end. The first message is empty, and
   * says that the call was taken; the last has `finished`.
   * 
   * Ends with RESOURCE_EXHAUSTED when too many results of the node are being read,
   * of which one tenant may have half, and with ABORTED when the caller takes
   * nothing for too long.
   */
  fetchResult(argument: _necoperf_FetchResultRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_necoperf_FetchResultResponse__Output>;
  fetchResult(argument: _necoperf_FetchResultRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_necoperf_FetchResultResponse__Output>;
  
  /**
   * Describes this daemon and its limits to any caller that it accepts, and what
   * that caller may profile in a namespace.
   */
  GetDaemonInfo(argument: _necoperf_GetDaemonInfoRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_necoperf_GetDaemonInfoResponse__Output>): grpc.ClientUnaryCall;
  GetDaemonInfo(argument: _necoperf_GetDaemonInfoRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_necoperf_GetDaemonInfoResponse__Output>): grpc.ClientUnaryCall;
  GetDaemonInfo(argument: _necoperf_GetDaemonInfoRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_necoperf_GetDaemonInfoResponse__Output>): grpc.ClientUnaryCall;
  GetDaemonInfo(argument: _necoperf_GetDaemonInfoRequest, callback: grpc.requestCallback<_necoperf_GetDaemonInfoResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Describes this daemon and its limits to any caller that it accepts, and what
   * that caller may profile in a namespace.
   */
  getDaemonInfo(argument: _necoperf_GetDaemonInfoRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_necoperf_GetDaemonInfoResponse__Output>): grpc.ClientUnaryCall;
  getDaemonInfo(argument: _necoperf_GetDaemonInfoRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_necoperf_GetDaemonInfoResponse__Output>): grpc.ClientUnaryCall;
  getDaemonInfo(argument: _necoperf_GetDaemonInfoRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_necoperf_GetDaemonInfoResponse__Output>): grpc.ClientUnaryCall;
  getDaemonInfo(argument: _necoperf_GetDaemonInfoRequest, callback: grpc.requestCallback<_necoperf_GetDaemonInfoResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Profiles a container for `timeout` and streams the perf script text.
   */
  Profile(argument: _necoperf_PerfProfileRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_necoperf_PerfProfileResponse__Output>;
  Profile(argument: _necoperf_PerfProfileRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_necoperf_PerfProfileResponse__Output>;
  /**
   * Profiles a container for `timeout` and streams the perf script text.
   */
  profile(argument: _necoperf_PerfProfileRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_necoperf_PerfProfileResponse__Output>;
  profile(argument: _necoperf_PerfProfileRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_necoperf_PerfProfileResponse__Output>;
  
  /**
   * Profiles a container for `interval` seconds and answers with the whole
   * perf script text. Ends with RESOURCE_EXHAUSTED when the text is larger
   * than the daemon's --max-record-response: use Profile or StartRecording.
   */
  Record(argument: _necoperf_PerfRecordRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_necoperf_PerfRecordResponse__Output>): grpc.ClientUnaryCall;
  Record(argument: _necoperf_PerfRecordRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_necoperf_PerfRecordResponse__Output>): grpc.ClientUnaryCall;
  Record(argument: _necoperf_PerfRecordRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_necoperf_PerfRecordResponse__Output>): grpc.ClientUnaryCall;
  Record(argument: _necoperf_PerfRecordRequest, callback: grpc.requestCallback<_necoperf_PerfRecordResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Profiles a container for `interval` seconds and answers with the whole
   * perf script text. Ends with RESOURCE_EXHAUSTED when the text is larger
   * than the daemon's --max-record-response: use Profile or StartRecording.
   */
  record(argument: _necoperf_PerfRecordRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_necoperf_PerfRecordResponse__Output>): grpc.ClientUnaryCall;
  record(argument: _necoperf_PerfRecordRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_necoperf_PerfRecordResponse__Output>): grpc.ClientUnaryCall;
  record(argument: _necoperf_PerfRecordRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_necoperf_PerfRecordResponse__Output>): grpc.ClientUnaryCall;
  record(argument: _necoperf_PerfRecordRequest, callback: grpc.requestCallback<_necoperf_PerfRecordResponse__Output>): grpc.ClientUnaryCall;
  
  /**
   * Profiles a container and reports what happens while it does: one `accepted`,
   * then `queued`, `started`, `progress` and `converting`, and `finished` last.
   * The result is kept by the daemon and fetched with FetchResult, also while it
   * is still being made. Cancelling this call before `converting` ends the
   * recording and drops what it made; after that the result is made and kept
   * nevertheless: DeleteResult says that it is not wanted. When the connection is
   * lost after `started`, the recording goes on for 10 s: its caller has
   * so long to come back for its result with FetchResult, over another connection.
   * 
   * Ends with RESOURCE_EXHAUSTED when the node's queue is full; the trailer
   * `grpc-retry-pushback-ms` says when to try again.
   */
  StartRecording(argument: _necoperf_StartRecordingRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_necoperf_RecordingEvent__Output>;
  StartRecording(argument: _necoperf_StartRecordingRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_necoperf_RecordingEvent__Output>;
  /**
   * Profiles a container and reports what happens while it does: one `accepted`,
   * then `queued`, `started`, `progress` and `converting`, and `finished` last.
   * The result is kept by the daemon and fetched with FetchResult, also while it
   * is still being made. Cancelling this call before `converting` ends the
   * recording and drops what it made; after that the result is made and kept
   * nevertheless: DeleteResult says that it is not wanted. When the connection is
   * lost after `started`, the recording goes on for 10 s: its caller has
   * so long to come back for its result with FetchResult, over another connection.
   * 
   * Ends with RESOURCE_EXHAUSTED when the node's queue is full; the trailer
   * `grpc-retry-pushback-ms` says when to try again.
   */
  startRecording(argument: _necoperf_StartRecordingRequest, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_necoperf_RecordingEvent__Output>;
  startRecording(argument: _necoperf_StartRecordingRequest, options?: grpc.CallOptions): grpc.ClientReadableStream<_necoperf_RecordingEvent__Output>;
  
  /**
   * Ends the sampling of a running recording early. What was sampled so far is
   * converted and delivered as usual.
   */
  StopRecording(argument: _necoperf_StopRecordingRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_necoperf_StopRecordingResponse__Output>): grpc.ClientUnaryCall;
  StopRecording(argument: _necoperf_StopRecordingRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_necoperf_StopRecordingResponse__Output>): grpc.ClientUnaryCall;
  StopRecording(argument: _necoperf_StopRecordingRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_necoperf_StopRecordingResponse__Output>): grpc.ClientUnaryCall;
  StopRecording(argument: _necoperf_StopRecordingRequest, callback: grpc.requestCallback<_necoperf_StopRecordingResponse__Output>): grpc.ClientUnaryCall;
  /**
   * Ends the sampling of a running recording early. What was sampled so far is
   * converted and delivered as usual.
   */
  stopRecording(argument: _necoperf_StopRecordingRequest, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_necoperf_StopRecordingResponse__Output>): grpc.ClientUnaryCall;
  stopRecording(argument: _necoperf_StopRecordingRequest, metadata: grpc.Metadata, callback: grpc.requestCallback<_necoperf_StopRecordingResponse__Output>): grpc.ClientUnaryCall;
  stopRecording(argument: _necoperf_StopRecordingRequest, options: grpc.CallOptions, callback: grpc.requestCallback<_necoperf_StopRecordingResponse__Output>): grpc.ClientUnaryCall;
  stopRecording(argument: _necoperf_StopRecordingRequest, callback: grpc.requestCallback<_necoperf_StopRecordingResponse__Output>): grpc.ClientUnaryCall;
  
}

export interface NecoPerfHandlers extends grpc.UntypedServiceImplementation {
  /**
   * Has the daemon delete a result: it has arrived whole, or is not wanted any
   * more. A result that is still being made is given up.
   */
  DeleteResult: grpc.handleUnaryCall<_necoperf_DeleteResultRequest__Output, _necoperf_DeleteResultResponse>;
  
  /**
   * Streams the bytes of a result, from an offset on. While the result is still
   * being made the stream follows it to its end. The first message is empty, and
   * says that the call was taken; the last has `finished`.
   * 
   * Ends with RESOURCE_EXHAUSTED when too many results of the node are being read,
   * of which one tenant may have half, and with ABORTED when the caller takes
   * nothing for too long.
   */
  FetchResult: grpc.handleServerStreamingCall<_necoperf_FetchResultRequest__Output, _necoperf_FetchResultResponse>;
  
  /**
   * Describes this daemon and its limits to any caller that it accepts, and what
   * that caller may profile in a namespace.
   */
  GetDaemonInfo: grpc.handleUnaryCall<_necoperf_GetDaemonInfoRequest__Output, _necoperf_GetDaemonInfoResponse>;
  
  /**
   * Profiles a container for `timeout` and streams the perf script text.
   */
  Profile: grpc.handleServerStreamingCall<_necoperf_PerfProfileRequest__Output, _necoperf_PerfProfileResponse>;
  
  /**
   * Profiles a container for `interval` seconds and answers with the whole
   * perf script text. Ends with RESOURCE_EXHAUSTED when the text is larger
   * than the daemon's --max-record-response: use Profile or StartRecording.
   */
  Record: grpc.handleUnaryCall<_necoperf_PerfRecordRequest__Output, _necoperf_PerfRecordResponse>;
  
  /**
   * Profiles a container and reports what happens while it does: one `accepted`,
   * then `queued`, `started`, `progress` and `converting`, and `finished` last.
   * The result is kept by the daemon and fetched with FetchResult, also while it
   * is still being made. Cancelling this call before `converting` ends the
   * recording and drops what it made; after that the result is made and kept
   * nevertheless: DeleteResult says that it is not wanted. When the connection is
   * lost after `started`, the recording goes on for 10 s: its caller has
   * so long to come back for its result with FetchResult, over another connection.
   * 
   * Ends with RESOURCE_EXHAUSTED when the node's queue is full; the trailer
   * `grpc-retry-pushback-ms` says when to try again.
   */
  StartRecording: grpc.handleServerStreamingCall<_necoperf_StartRecordingRequest__Output, _necoperf_RecordingEvent>;
  
  /**
   * Ends the sampling of a running recording early. What was sampled so far is
   * converted and delivered as usual.
   */
  StopRecording: grpc.handleUnaryCall<_necoperf_StopRecordingRequest__Output, _necoperf_StopRecordingResponse>;
  
}

export interface NecoPerfDefinition extends grpc.ServiceDefinition {
  DeleteResult: MethodDefinition<_necoperf_DeleteResultRequest, _necoperf_DeleteResultResponse, _necoperf_DeleteResultRequest__Output, _necoperf_DeleteResultResponse__Output>
  FetchResult: MethodDefinition<_necoperf_FetchResultRequest, _necoperf_FetchResultResponse, _necoperf_FetchResultRequest__Output, _necoperf_FetchResultResponse__Output>
  GetDaemonInfo: MethodDefinition<_necoperf_GetDaemonInfoRequest, _necoperf_GetDaemonInfoResponse, _necoperf_GetDaemonInfoRequest__Output, _necoperf_GetDaemonInfoResponse__Output>
  Profile: MethodDefinition<_necoperf_PerfProfileRequest, _necoperf_PerfProfileResponse, _necoperf_PerfProfileRequest__Output, _necoperf_PerfProfileResponse__Output>
  Record: MethodDefinition<_necoperf_PerfRecordRequest, _necoperf_PerfRecordResponse, _necoperf_PerfRecordRequest__Output, _necoperf_PerfRecordResponse__Output>
  StartRecording: MethodDefinition<_necoperf_StartRecordingRequest, _necoperf_RecordingEvent, _necoperf_StartRecordingRequest__Output, _necoperf_RecordingEvent__Output>
  StopRecording: MethodDefinition<_necoperf_StopRecordingRequest, _necoperf_StopRecordingResponse, _necoperf_StopRecordingRequest__Output, _necoperf_StopRecordingResponse__Output>
}
