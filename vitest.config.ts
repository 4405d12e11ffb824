import { defineConfig } from 'vitest/config';

/**
 * Of the integration tests those that measure, or see, what else the machine does: no other runs beside them. (Where
 * nothing may be mounted, `full_disk` goes by what is free on the volume that all write to.)
 */
const ALONE = ['budget', 'connections', 'full_disk', 'kernel', 'kmsg', 'lag', 'process_events', 'query_limits'].map(
  (name) => `test/integration/${name}.test.ts`,
);
const INTEGRATION = { testTimeout: 60_000, hookTimeout: 600_000, globalSetup: 'test/integration/setup.ts' };

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/integration/**'],
          // A machine that is busy makes no test fail; one that hangs ends all the same.
          testTimeout: 30_000,
          expect: { poll: { timeout: 10_000 } },
        },
      },
      {
        test: {
          ...INTEGRATION,
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          exclude: ALONE,
          // They wait more than they work.
          maxWorkers: 2,
        },
      },
      {
        test: {
          ...INTEGRATION,
          name: 'integration-alone',
          include: ALONE,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
