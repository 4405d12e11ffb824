#!/usr/bin/env -S node --max-semi-space-size=1 --no-concurrent-recompilation --expose-gc
// Becomes dist/sonde.cjs. Not TypeScript: an old Node.js must be able to read it, to say that it is too old.
// Why it tells V8 all this, with figures: docs/decisions/memory.md.
'use strict';
const [major] = process.versions.node.split('.');
if (Number(major) < 26) {
  console.error(
    `sonde needs Node.js 26 or later; this is ${process.version}. Install it, or run "npm start" in the source folder, which brings its own.`,
  );
  process.exit(69);
}

const v8 = require('node:v8');
letObjectsDieYoung();
optimizeWhenBusy();
collectWhenIdle();
shrinkWhenStarted();
// It spares V8 the parsing at every later start, and has to be on before the agent is loaded.
require('node:module').enableCompileCache(require('node:path').join(__dirname, '.cache'));
require('./agent/main.cjs');

/**
 * V8's last and dearest compiler halves the CPU time of an agent that is busy, but brings 5 MB into memory. One that
 * works some milliseconds every few seconds gains nothing by it.
 */
function optimizeWhenBusy() {
  const every_s = 30;
  const busyShare = 0.05;
  v8.setFlagsFromString('--no-opt');
  // Or functions compiled before it is switched on would never ask for it.
  v8.setFlagsFromString('--force-emit-interrupt-budget-checks');
  let before = process.cpuUsage();
  const timer = setInterval(() => {
    const { user, system } = process.cpuUsage(before);
    before = process.cpuUsage();
    if ((user + system) / 1e6 / every_s < busyShare) return;
    v8.setFlagsFromString('--opt');
    clearInterval(timer);
    // It brings work with bodies of requests, of which the C library keeps what a flood of them took, and the compiler
    // itself is large.
    setInterval(shrinkResident, every_s * 1000).unref();
  }, every_s * 1000);
  timer.unref();
}

/**
 * V8 makes objects old from the start where it saw that such objects often outlive a collection of the young ones. A
 * batch on its way does, and is needed no more a moment later; but made old, it holds on to its bytes until V8 has marked
 * the whole heap. Under steady load that was a third of what passing on OTLP cost (docs/decisions/otlp_forwarding.md).
 */
function letObjectsDieYoung() {
  v8.setFlagsFromString('--no-allocation-site-pretenuring');
}

/** V8 collects when the heap has grown by a third, for which an idle agent takes the better part of an hour. */
function collectWhenIdle() {
  const { gc } = globalThis;
  if (gc === undefined) return;
  const large = 64 * 2 ** 20;
  // This one also forgets the compiled code of the start, which is not needed any more.
  setTimeout(() => gc({ type: 'major', flavor: 'last-resort' }), 15_000).unref();
  // A large heap takes long, and is that of an agent whose work lets V8 collect often enough.
  setInterval(() => process.memoryUsage().heapUsed < large && gc({ type: 'major' }), 600_000).unref();
}

/**
 * Half of what is resident of Node.js's own file after the start is not needed any more, and the C library holds on to
 * what was freed (docs/decisions/memory.md). It takes 5 to 15 ms.
 */
function shrinkWhenStarted() {
  // After the collection above, which needs some of it.
  setTimeout(shrinkResident, 16_000).unref();
  setInterval(shrinkResident, 600_000).unref();
}

function shrinkResident() {
  require('./resident.cjs').shrinkResident();
}
