// A report for people: a page of text.

import type { Checked, Latency, Phase, PhaseName, Report } from './scenario.ts';

/** The report as text, with an end of line. */
export function summary(report: Report): string {
  const { options, machine } = report;
  const version = options.protocolVersion === 5 ? '5.0' : '3.1.1';
  const who = [
    count(options.clients, 'clients'),
    count(options.publishers, 'publishers'),
    count(options.subscribers, 'subscribers'),
    `${String(options.payloadBytes)} bytes`,
  ].filter((each) => each !== '');
  const lines = [
    `${report.scenario}, MQTT ${version}, QoS ${String(options.qos)}, ${who.join(', ')}`,
    `${report.servers.map(({ url }) => url).join(' ')}, from ${machine.cpu} (${machine.cores} cores), Node ${machine.node}`,
    '',
    ...report.phases.flatMap(phaseLines),
    ...checkedLines(report.checked),
    ...report.warnings.map((each) => `warning: ${each}`),
    ...report.problems.map((each) => `PROBLEM: ${each}`),
    report.ok ? 'Everything came that was to come.' : 'Not everything was as it should be.',
  ];
  return `${lines.join('\n')}\n`;
}

/** Phases after which the server holds more than before. */
const grows: ReadonlySet<PhaseName> = new Set(['connect', 'idle', 'subscribe', 'store', 'enqueue']);

function phaseLines(phase: Phase): string[] {
  const { name, unit, sent, server, own } = phase;
  const plural = `${unit}s`;
  const amount = `${name.padEnd(10)} ${whole(phase.count)} ${plural}`;
  const time = `${phase.seconds.toFixed(2)} s`;
  const lines = [
    (name === 'idle' ? `${amount} for ${time}` : `${amount} in ${time}: ${whole(phase.perSecond)} a second`) +
      (sent === undefined || phase.sentPerSecond === undefined ? '' : ` (sent ${whole(phase.sentPerSecond)} a second)`),
    ...latencyLine('latency', phase.latencyMs),
    ...latencyLine('ack', phase.acknowledgementMs),
  ];
  if (server !== undefined) {
    const memory = grows.has(name) && server.rssBytesEach !== null ? `, ${size(server.rssBytesEach, unit)}` : '';
    lines.push(
      `  server     ${micros(server.cpuMicrosecondsEach)} CPU a ${unit}, ${server.cores.toFixed(2)} cores, ` +
        `RSS ${mib(server.rssBeforeKiB)} to ${mib(server.rssAfterKiB)}${memory}`,
    );
  }
  lines.push(
    `  this end   ${micros(own.cpuMicrosecondsEach)} CPU a ${unit}, busy ${Math.round(own.busiestLoop * 100)} %` +
      (phase.sentLateMsMax === undefined ? '' : `, late by ${phase.sentLateMsMax.toFixed(2)} ms at the worst`),
    '',
  );
  return lines;
}

function size(bytes: number, unit: Phase['unit']): string {
  return unit === 'connection' ? `${(bytes / 1024).toFixed(1)} KiB a connection` : `${whole(bytes)} bytes a ${unit}`;
}

function latencyLine(name: string, latency: Latency | undefined): string[] {
  if (latency === undefined) return [];
  const { p50, p90, p99, p999, max } = latency;
  const shown = Object.entries({ p50, p90, p99, 'p99.9': p999, max }).map(([key, ms]) => `${key} ${ms.toFixed(2)}`);
  return [`  ${name.padEnd(10)} ${shown.join('   ')} ms`];
}

function checkedLines(checked: Checked): string[] {
  if (checked.published === 0) return [];
  const { lost, duplicates, redelivered, outOfOrder, misrouted, corrupt } = checked;
  const counts = Object.entries({ lost, duplicates, redelivered, 'out of order': outOfOrder, misrouted, corrupt });
  return [
    `checked    ${whole(checked.published)} messages, ${whole(checked.expected)} deliveries: ` +
      counts.map(([name, value]) => `${name} ${whole(value)}`).join(', '),
    '',
  ];
}

function count(value: unknown, what: string): string {
  return typeof value === 'number' && value > 0 ? `${whole(value)} ${value === 1 ? what.slice(0, -1) : what}` : '';
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en');
}

function micros(value: number | null): string {
  return value === null ? '–' : `${value.toFixed(2)} µs`;
}

function mib(kib: number): string {
  return `${(kib / 1024).toFixed(1)} MiB`;
}
