#!/usr/bin/env -S node --max-semi-space-size=1 --no-concurrent-recompilation
// Becomes dist/sonde.cjs. Not TypeScript: an old Node.js must be able to read it, to say that it is too old.
'use strict';
const [major] = process.versions.node.split('.');
if (Number(major) < 26) {
  console.error(
    `sonde needs Node.js 26 or later; this is ${process.version}. Install it, or run "npm start" in the source folder, which brings its own.`,
  );
  process.exit(69);
}

/** Seconds, and the share of one core from which on the agent counts as busy. */
const LOOK_EVERY = 30;
const BUSY = 0.05;

// V8's last and dearest compiler halves the CPU time of an agent that is busy, but brings 5 MB into memory. One that
// works some milliseconds every few seconds does not gain by it: Maglev's code is as good there.
const v8 = require('node:v8');
v8.setFlagsFromString('--no-opt');
// Or functions compiled before it is switched on would never ask for it.
v8.setFlagsFromString('--force-emit-interrupt-budget-checks');
let before = process.cpuUsage();
const timer = setInterval(() => {
  const { user, system } = process.cpuUsage(before);
  before = process.cpuUsage();
  if ((user + system) / 1e6 / LOOK_EVERY < BUSY) return;
  v8.setFlagsFromString('--opt');
  clearInterval(timer);
}, LOOK_EVERY * 1000);
timer.unref();

// It spares V8 the parsing at every later start, and has to be on before the agent is loaded.
require('node:module').enableCompileCache(require('node:path').join(__dirname, '.cache'));
require('./main.cjs');
