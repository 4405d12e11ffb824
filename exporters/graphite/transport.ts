/** Takes a body to the server. */
export interface Transport {
  /** @throws {RetryableError} */
  send(body: Uint8Array, abort: AbortSignal): Promise<void>;
  stop(): void | Promise<void>;
}
