// A run from its options to its report.

import { cpus, release, type as systemName, totalmem } from 'node:os';
import { nowMs } from './clock.ts';
import { Crew } from './crew.ts';
import { checkFileLimit } from './file-limit.ts';
import { findings } from './findings.ts';
import { type Plan, settle } from './plan.ts';
import type { Machine, Progress, Report, ScenarioOptions } from './scenario.ts';
import { playScenario } from './scenarios.ts';
import { Script } from './script.ts';

/**
 * Runs a scenario against a server and checks every delivery.
 *
 * The report says in `ok` and `problems` whether everything came that was to come.
 *
 * @param options.command the words of a command line, for the report
 * @param onProgress is called a few times a second
 * @throws BenchError if it came to no result: a wrong option, no server, a refusal, too few file descriptors
 */
export async function runScenario(
  { command = [], ...options }: ScenarioOptions & { command?: readonly string[] },
  onProgress?: (progress: Progress) => void,
): Promise<Report> {
  const plan = settle(options);
  checkFileLimit(plan.publishers + plan.subscribers + plan.clients);
  const startedAt = new Date().toISOString();
  await using crew = new Crew(plan, nowMs());
  await using script = new Script(plan, crew, onProgress);
  await crew.all('starting', 'ready');
  const checked = await playScenario(script);
  const { problems, warnings } = findings(plan, script.phases, checked);
  return {
    format: 1,
    scenario: plan.scenario,
    ok: problems.length === 0,
    problems,
    warnings,
    startedAt,
    options: shown(plan),
    machine: machine(),
    command: [...command],
    servers: script.servers,
    phases: script.phases,
    checked,
  };
}

/** The options as they were in force, without what nobody should read. */
function shown({ password, run, ...plan }: Plan): Record<string, unknown> {
  return { ...plan, run: run.toString(16), passwordGiven: password !== undefined };
}

function machine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryMiB: Math.round(totalmem() / 2 ** 20),
    system: `${systemName()} ${release()} ${process.arch}`,
    node: process.version,
  };
}
