import type * as grpc from '@grpc/grpc-js';
import type { EnumTypeDefinition, MessageTypeDefinition } from '@grpc/proto-loader';

import type { Duration as _google_protobuf_Duration, Duration__Output as _google_protobuf_Duration__Output } from './google/protobuf/Duration.ts';
import type { CpuBandwidth as _necoperf_CpuBandwidth, CpuBandwidth__Output as _necoperf_CpuBandwidth__Output } from './necoperf/CpuBandwidth.ts';
import type { CpuCounters as _necoperf_CpuCounters, CpuCounters__Output as _necoperf_CpuCounters__Output } from './necoperf/CpuCounters.ts';
import type { DeleteResultRequest as _necoperf_DeleteResultRequest, DeleteResultRequest__Output as _necoperf_DeleteResultRequest__Output } from './necoperf/DeleteResultRequest.ts';
import type { DeleteResultResponse as _necoperf_DeleteResultResponse, DeleteResultResponse__Output as _necoperf_DeleteResultResponse__Output } from './necoperf/DeleteResultResponse.ts';
import type { FetchResultRequest as _necoperf_FetchResultRequest, FetchResultRequest__Output as _necoperf_FetchResultRequest__Output } from './necoperf/FetchResultRequest.ts';
import type { FetchResultResponse as _necoperf_FetchResultResponse, FetchResultResponse__Output as _necoperf_FetchResultResponse__Output } from './necoperf/FetchResultResponse.ts';
import type { GetDaemonInfoRequest as _necoperf_GetDaemonInfoRequest, GetDaemonInfoRequest__Output as _necoperf_GetDaemonInfoRequest__Output } from './necoperf/GetDaemonInfoRequest.ts';
import type { GetDaemonInfoResponse as _necoperf_GetDaemonInfoResponse, GetDaemonInfoResponse__Output as _necoperf_GetDaemonInfoResponse__Output } from './necoperf/GetDaemonInfoResponse.ts';
import type { NecoPerfClient as _necoperf_NecoPerfClient, NecoPerfDefinition as _necoperf_NecoPerfDefinition } from './necoperf/NecoPerf.ts';
import type { PerfProfileRequest as _necoperf_PerfProfileRequest, PerfProfileRequest__Output as _necoperf_PerfProfileRequest__Output } from './necoperf/PerfProfileRequest.ts';
import type { PerfProfileResponse as _necoperf_PerfProfileResponse, PerfProfileResponse__Output as _necoperf_PerfProfileResponse__Output } from './necoperf/PerfProfileResponse.ts';
import type { PerfRecordRequest as _necoperf_PerfRecordRequest, PerfRecordRequest__Output as _necoperf_PerfRecordRequest__Output } from './necoperf/PerfRecordRequest.ts';
import type { PerfRecordResponse as _necoperf_PerfRecordResponse, PerfRecordResponse__Output as _necoperf_PerfRecordResponse__Output } from './necoperf/PerfRecordResponse.ts';
import type { ProfilingRights as _necoperf_ProfilingRights, ProfilingRights__Output as _necoperf_ProfilingRights__Output } from './necoperf/ProfilingRights.ts';
import type { RecordOptions as _necoperf_RecordOptions, RecordOptions__Output as _necoperf_RecordOptions__Output } from './necoperf/RecordOptions.ts';
import type { RecordingEvent as _necoperf_RecordingEvent, RecordingEvent__Output as _necoperf_RecordingEvent__Output } from './necoperf/RecordingEvent.ts';
import type { RecordingLimits as _necoperf_RecordingLimits, RecordingLimits__Output as _necoperf_RecordingLimits__Output } from './necoperf/RecordingLimits.ts';
import type { StartRecordingRequest as _necoperf_StartRecordingRequest, StartRecordingRequest__Output as _necoperf_StartRecordingRequest__Output } from './necoperf/StartRecordingRequest.ts';
import type { StopRecordingRequest as _necoperf_StopRecordingRequest, StopRecordingRequest__Output as _necoperf_StopRecordingRequest__Output } from './necoperf/StopRecordingRequest.ts';
import type { StopRecordingResponse as _necoperf_StopRecordingResponse, StopRecordingResponse__Output as _necoperf_StopRecordingResponse__Output } from './necoperf/StopRecordingResponse.ts';

type SubtypeConstructor<Constructor extends new (...args: any) => any, Subtype> = {
  new(...args: ConstructorParameters<Constructor>): Subtype;
};

export interface ProtoGrpcType {
  google: {
    protobuf: {
      Duration: MessageTypeDefinition<_google_protobuf_Duration, _google_protobuf_Duration__Output>
    }
  }
  necoperf: {
    CallGraph: EnumTypeDefinition
    Completeness: EnumTypeDefinition
    CpuBandwidth: MessageTypeDefinition<_necoperf_CpuBandwidth, _necoperf_CpuBandwidth__Output>
    CpuCounters: MessageTypeDefinition<_necoperf_CpuCounters, _necoperf_CpuCounters__Output>
    DeleteResultRequest: MessageTypeDefinition<_necoperf_DeleteResultRequest, _necoperf_DeleteResultRequest__Output>
    DeleteResultResponse: MessageTypeDefinition<_necoperf_DeleteResultResponse, _necoperf_DeleteResultResponse__Output>
    FetchResultRequest: MessageTypeDefinition<_necoperf_FetchResultRequest, _necoperf_FetchResultRequest__Output>
    FetchResultResponse: MessageTypeDefinition<_necoperf_FetchResultResponse, _necoperf_FetchResultResponse__Output>
    Format: EnumTypeDefinition
    GetDaemonInfoRequest: MessageTypeDefinition<_necoperf_GetDaemonInfoRequest, _necoperf_GetDaemonInfoRequest__Output>
    GetDaemonInfoResponse: MessageTypeDefinition<_necoperf_GetDaemonInfoResponse, _necoperf_GetDaemonInfoResponse__Output>
    NecoPerf: SubtypeConstructor<typeof grpc.Client, _necoperf_NecoPerfClient> & { service: _necoperf_NecoPerfDefinition }
    PerfProfileRequest: MessageTypeDefinition<_necoperf_PerfProfileRequest, _necoperf_PerfProfileRequest__Output>
    PerfProfileResponse: MessageTypeDefinition<_necoperf_PerfProfileResponse, _necoperf_PerfProfileResponse__Output>
    PerfRecordRequest: MessageTypeDefinition<_necoperf_PerfRecordRequest, _necoperf_PerfRecordRequest__Output>
    PerfRecordResponse: MessageTypeDefinition<_necoperf_PerfRecordResponse, _necoperf_PerfRecordResponse__Output>
    ProfilingRights: MessageTypeDefinition<_necoperf_ProfilingRights, _necoperf_ProfilingRights__Output>
    RecordOptions: MessageTypeDefinition<_necoperf_RecordOptions, _necoperf_RecordOptions__Output>
    RecordingEvent: MessageTypeDefinition<_necoperf_RecordingEvent, _necoperf_RecordingEvent__Output>
    RecordingLimits: MessageTypeDefinition<_necoperf_RecordingLimits, _necoperf_RecordingLimits__Output>
    Side: EnumTypeDefinition
    StartRecordingRequest: MessageTypeDefinition<_necoperf_StartRecordingRequest, _necoperf_StartRecordingRequest__Output>
    StopRecordingRequest: MessageTypeDefinition<_necoperf_StopRecordingRequest, _necoperf_StopRecordingRequest__Output>
    StopRecordingResponse: MessageTypeDefinition<_necoperf_StopRecordingResponse, _necoperf_StopRecordingResponse__Output>
    ThreadTime: EnumTypeDefinition
  }
}

