/** All processors there are, in alphabetical order. */
import type { AnyProcessorDefinition } from '../src/component.ts';
import attributes from './attributes.ts';
import batch from './batch.ts';
import cumulativetodelta from './cumulativetodelta.ts';
import deltatorate from './deltatorate.ts';
import filter from './filter.ts';
import logDedup from './log_dedup/index.ts';
import memoryLimiter from './memory_limiter.ts';
import probabilisticSampler from './probabilistic_sampler/index.ts';
import rateLimit from './rate_limit/index.ts';
import redaction from './redaction/index.ts';
import resource from './resource.ts';
import resourcedetection from './resourcedetection/index.ts';
import severity from './severity/index.ts';

export const processors: readonly AnyProcessorDefinition[] = [
  attributes,
  batch,
  cumulativetodelta,
  deltatorate,
  filter,
  logDedup,
  memoryLimiter,
  probabilisticSampler,
  rateLimit,
  redaction,
  resource,
  resourcedetection,
  severity,
];
