import type { ChannelOptions } from "@grpc/grpc-js";

/** Raft entries and sets of assignments are far below; snapshots go in chunks. */
export const MESSAGE_BYTES_MAX = 64 * 1024 * 1024;
/** Agents stay far below (src/agent/status-reporter.ts, log-publisher.ts). */
const WORKER_MESSAGE_BYTES_MAX = 1024 * 1024;
const COMMON: ChannelOptions = {
  "grpc.max_send_message_length": MESSAGE_BYTES_MAX,
  "grpc.max_receive_message_length": MESSAGE_BYTES_MAX,
  "grpc.enable_channelz": 0,
};

/** The server pings too, so that the sessions of a node that lost power end. */
export const SERVER_OPTIONS: ChannelOptions = {
  ...COMMON,
  "grpc.max_concurrent_streams": 1_024,
  "grpc.keepalive_time_ms": 5_000,
  "grpc.keepalive_timeout_ms": 5_000,
};

/** As many logs as there may be readers of, and what an agent has open beside them. */
export const WORKER_CALLS_MAX = 1_024;

/** What a worker says is small, and is kept in memory and decoded as a whole before anybody can look at it. */
export const WORKER_OPTIONS: ChannelOptions = {
  ...SERVER_OPTIONS,
  "grpc.max_receive_message_length": WORKER_MESSAGE_BYTES_MAX,
  "grpc.max_concurrent_streams": WORKER_CALLS_MAX,
};

/** Whoever shows no certificate may ask for one, and needs no more than this for it: what is sent is kept in memory before anybody can look at it. */
export const STRANGER_OPTIONS: ChannelOptions = {
  ...SERVER_OPTIONS,
  "grpc.max_receive_message_length": 64 * 1024,
  "grpc.max_concurrent_streams": 16,
  "grpc.max_connection_idle_ms": 60_000,
  // One that keeps its connection busy has had the time to get a certificate.
  "grpc.max_connection_age_ms": 60_000,
  "grpc.max_connection_age_grace_ms": 10_000,
};

/** All managers answer to this name, whatever address they are dialled at (architecture, section 4). */
export const MANAGER_NAME = "swarm-manager";

export const CLIENT_OPTIONS: ChannelOptions = {
  ...COMMON,
  "grpc.ssl_target_name_override": MANAGER_NAME,
  "grpc.default_authority": MANAGER_NAME,
  // A cut link is noticed within six seconds, also by a stream on which nothing is said.
  "grpc.keepalive_time_ms": 2_000,
  "grpc.keepalive_timeout_ms": 4_000,
  // The default of 64 KiB would cost a large set of assignments a round trip for each 64 KiB. gRPC has this only for what clients receive.
  "grpc-node.flow_control_window": 1024 * 1024,
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 1_000,
  // A retry would blur which writes were sent; whoever calls decides.
  "grpc.enable_retries": 0,
  // The address is the address: no proxy of the environment, no look-up of a service config.
  "grpc.enable_http_proxy": 0,
  "grpc.service_config_disable_resolution": 1,
  // A connection is closed with its owner, and shared with nobody.
  "grpc.use_local_subchannel_pool": 1,
};
