/** Resolves after a time, or when `abort` comes. */
export async function sleep(time_ms: number, abort?: AbortSignal): Promise<void> {
  if (abort?.aborted === true) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const wake = (): void => resolve();
  const timer = setTimeout(wake, time_ms);
  abort?.addEventListener('abort', wake);
  await promise;
  clearTimeout(timer);
  abort?.removeEventListener('abort', wake);
}
