/** What components are lent when they are made for one look only: nothing listens, nothing is sent. */
import { NO_BRAKE } from '../adaptive/brake.ts';
import { createThinnings } from '../adaptive/thinning.ts';
import { createWatchers } from '../adaptive/watchers.ts';
import { createHttpSender } from '../delivery/http_sender.ts';
import type { AgentFigures } from '../component.ts';
import type { Services } from '../nodes.ts';
import { createLoggerProvider } from '../otel/logger.ts';
import type { Host } from '../procfs/host.ts';
import { VERSION } from '../model/version.ts';
import { createBoard } from '../rules/board.ts';
import { createTaps } from '../taps.ts';
import type { Log } from '../telemetry/log.ts';

const RESOURCE = { attributes: {}, schemaUrl: '' };

export function trialServices(host: Host, log: Log): Services {
  const startTime = BigInt(Date.now()) * 1_000_000n;
  const noFigures: AgentFigures = { startTime, components: [], pipelines: [] };
  return {
    version: VERSION,
    host,
    resource: RESOURCE,
    startTime,
    log,
    serve: () => Promise.reject(new Error('Cannot listen: the component is only looked at')),
    http: createHttpSender,
    logger: createLoggerProvider(RESOURCE, VERSION).logger,
    figures: () => noFigures,
    taps: createTaps(),
    board: createBoard(),
    watchers: createWatchers(() => false),
    thinnings: createThinnings(() => false),
    brake: NO_BRAKE,
    otherMeters: () => [],
  };
}
