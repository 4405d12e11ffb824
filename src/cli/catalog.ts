/** Every component of this version. */
import { exporters } from '../../exporters/index.ts';
import { processors } from '../../processors/index.ts';
import { receivers } from '../../receivers/index.ts';
import type { Catalog } from '../config/registry.ts';

export const catalog: Catalog = { receivers, processors, exporters };
