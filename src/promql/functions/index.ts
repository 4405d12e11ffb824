/** All functions of PromQL by name. */
import type { FunctionDefinition } from '../functions.ts';
import { changeFunctions } from './changes.ts';
import { dateFunctions } from './dates.ts';
import { histogramFunctions } from './histograms.ts';
import { labelFunctions } from './labels.ts';
import { mathFunctions } from './math.ts';
import { overTimeFunctions } from './over_time.ts';
import { rateFunctions } from './rate.ts';
import { refusedFunctions } from './refused.ts';
import { regressionFunctions } from './regression.ts';
import { vectorFunctions } from './vectors.ts';

const all: readonly FunctionDefinition[] = [
  ...changeFunctions,
  ...dateFunctions,
  ...histogramFunctions,
  ...labelFunctions,
  ...mathFunctions,
  ...overTimeFunctions,
  ...rateFunctions,
  ...refusedFunctions,
  ...regressionFunctions,
  ...vectorFunctions,
];

export const functions: ReadonlyMap<string, FunctionDefinition> = new Map(all.map((one) => [one.name, one]));
