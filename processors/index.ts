/** All processors there are, in alphabetical order. */
import type { AnyProcessorDefinition } from '../src/component.ts';
import attributes from './attributes.ts';
import filter from './filter.ts';
import resource from './resource.ts';

export const processors: readonly AnyProcessorDefinition[] = [attributes, filter, resource];
