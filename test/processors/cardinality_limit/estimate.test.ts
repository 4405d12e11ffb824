import { describe, expect, test } from 'vitest';
import { DistinctEstimate } from '../../../processors/cardinality_limit/estimate.ts';

describe('DistinctEstimate', () => {
  test.each([0, 1, 10, 1000, 5000, 100_000])('counts %i different texts to some percent', (count) => {
    const estimate = new DistinctEstimate();
    for (let i = 0; i < count; i++) {
      estimate.add(`/orders/${i}`);
      estimate.add(`/orders/${i % 7}`);
    }
    expect(Math.abs(estimate.count - count)).toBeLessThanOrEqual(count * 0.1);
  });
});
