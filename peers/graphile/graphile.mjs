// Runs Graphile Worker as the Go program beside it runs the others: one part, one JSON line with what was measured.
//
//   node graphile.mjs drain postgres://… 100000
import { makeWorkerUtils, run, Logger } from "graphile-worker";
import { performance } from "node:perf_hooks";

const [part, connectionString, count] = process.argv.slice(2);
const jobs = Number(count);
const clients = 64; // inserts under way at once
const batch = 1000;
const payload = (seq) => ({ seq, padding: "x".repeat(72) }); // about 100 bytes
const logger = new Logger(() => (level, message) => {
  if (level === "error") console.error(message);
});

// The settings of its documentation's page on performance: jobs are fetched and completed in batches.
const preset = {
  worker: {
    connectionString,
    concurrentJobs: 24,
    maxPoolSize: clients,
    localQueue: { size: 500 },
    completeJobBatchDelay: 0,
    failJobBatchDelay: 0,
    logger,
  },
};

async function insert(utils) {
  let next = 0;
  const client = async () => {
    for (let seq = next++; seq < jobs; seq = next++) await utils.addJob("noop", payload(seq));
  };
  await Promise.all(Array.from({ length: clients }, client));
}

async function insertMany(utils) {
  for (let done = 0; done < jobs; done += batch) {
    const n = Math.min(batch, jobs - done);
    await utils.addJobs(Array.from({ length: n }, (_, i) => ({ identifier: "noop", payload: payload(done + i) })));
  }
}

async function drain() {
  let ran = 0;
  let all;
  const end = new Promise((resolve) => (all = resolve));
  const runner = await run({
    preset,
    noHandleSignals: true,
    taskList: {
      noop: () => {
        if (++ran === jobs) all();
      },
    },
  });
  await end;
  await runner.stop(); // completes what is under way, which belongs to the time
}

const utils = await makeWorkerUtils({ preset });
await utils.migrate();
if (part === "drain") await insertMany(utils);
const start = performance.now();
await { insert, batch: insertMany, drain }[part](utils);
const seconds = (performance.now() - start) / 1000;
await utils.release();
const { user, system } = process.cpuUsage();
console.log(JSON.stringify({ jobs, seconds, cpu_seconds: (user + system) / 1e6 }));
