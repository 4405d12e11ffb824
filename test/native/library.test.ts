import { expect, test } from 'vitest';
import { openNative, systemError } from '../../src/native/library.ts';

test('systemError names the number as node:fs does, also one that it does not know', () => {
  expect(systemError('ask the kernel', 1)).toMatchObject({
    message: 'Cannot ask the kernel: EPERM',
    code: 'EPERM',
    errno: 1,
  });
  expect(systemError('watch "/x"', 28).code).toBe('ENOSPC');
  expect(systemError('ask', 600).message).toContain('600');
});

test('openNative tells why a call failed', () => {
  const native = openNative({ close: { return: 'int32', arguments: ['int32'] } });
  // Without node:ffi (its flag is off) there is nothing to call, which callers are told.
  if (native === undefined) return expect(process.execArgv.join()).not.toContain('--experimental-ffi');
  expect(native.functions.close(-1)).toBe(-1);
  expect(native.failure('close a file')).toMatchObject({ code: 'EBADF', message: 'Cannot close a file: EBADF' });
  return undefined;
});
