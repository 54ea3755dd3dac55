/** Who calls, as the transport authenticated it: a node with a valid certificate of this cluster. */
export interface Caller {
  readonly nodeId: string;
  /** Address that it was seen at, without port. */
  readonly address: string;
}
