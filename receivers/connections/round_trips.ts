/** Mean round-trip times of connections that came in, by the port they came to. */
import { localPort, PORTS, type Sighting } from './sighting.ts';

export class RoundTrips {
  readonly #byPort = new Map<number, { sum_us: number; count: number }>();

  clear(): void {
    this.#byPort.clear();
  }

  add({ words, rtt_us }: Sighting): void {
    const port = localPort(words[PORTS]);
    const trips = this.#byPort.get(port) ?? { sum_us: 0, count: 0 };
    this.#byPort.set(port, trips);
    trips.sum_us += rtt_us;
    trips.count++;
  }

  has(port: number): boolean {
    return this.#byPort.has(port);
  }

  visit(take: (port: number, mean_s: number) => void): void {
    for (const [port, { sum_us, count }] of this.#byPort) take(port, sum_us / count / 1e6);
  }
}
