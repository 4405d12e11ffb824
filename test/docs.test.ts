import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { renderReference } from '../scripts/reference_pages.ts';

const pages = renderReference();

test.each([...pages.keys()])('%s is what "npm run docs" writes', (file) => {
  expect(readFileSync(join(import.meta.dirname, '..', file), 'utf8')).toBe(pages.get(file));
});
