// What `skein bench --help` says.

import { type BenchFlag, belonging, benchFlags } from './bench-flags.ts';
import { wrap } from './wrap.ts';

/** The help. */
export function benchHelp(): string {
  return `skein bench SCENARIO [flags]

Loads an MQTT server, and checks every delivery: that it comes, once, in its place, on its topic, with its content.

  p2p        pairs: each publisher has a subscriber of its own
  fan-in     many publishers, few subscribers of all they publish
  fan-out    few publishers, many subscribers of all they publish
  shared     many publishers, one shared group
  connect    connections: a storm, or so many a second; then what an idle one costs
  subs       SUBSCRIBE after SUBSCRIBE, then messages that match one filter each
  retained   retained messages are stored, then a new subscriber gets them all
  offline    stored Sessions leave, messages are queued for them, the Sessions return and get everything

Examples, for a server on this machine (skein start):

  skein bench p2p
  skein bench p2p --publishers 50 --qos 1 --duration 10
  skein bench fan-out --subscribers 500 --rate 100
  skein bench connect --clients 5000 --rate 1000 --pid $(pgrep -nf 'skein.* start')
  skein bench offline --subscribers 100 --messages 50
  skein bench shared --qos 1 --workers 2 --json

Exit status: 0 when everything came that was to come; 1 when a message was lost at QoS 1 or 2, came again where it may
not, out of order, harmed or to the wrong place, or when the server refused, was not there or went away; 64 for a wrong
command line; 78 for a flag that the scenario has no use for, or when this machine has too few file descriptors.

Server:
${group('server')}
Clients:
${group('clients')}
Load:
${group('load')}
Measuring:
${group('measuring')}
Further:
${group('ending')}
The report in JSON has, beside machine, options, servers (what CONNACK said), ok, problems and warnings:

  phases[]   name, unit (connection, filter or message), seconds, count, perSecond; sent, sentPerSecond;
             latencyMs and acknowledgementMs: count, mean, p50, p90, p99, p999, max; sentLateMsMax;
             server (with --pid): cpuSeconds, cpuMicrosecondsEach, cores, rssBeforeKiB, rssAfterKiB, rssBytesEach;
             own: cpuSeconds, cpuMicrosecondsEach, busiestLoop (0 to 1)
  checked    published, acknowledged, unacknowledged, refused, expected, delivered, lost, duplicates, redelivered
             (QoS 1 with DUP), outOfOrder, misrouted, corrupt, wrongQos, foreign, sessionsGone,
             subscriptionsRefused, writtenOff
`;
}

function group(name: BenchFlag['group']): string {
  return benchFlags
    .filter((flag) => flag.group === name)
    .map((flag) => `  --${flag.name}${flag.value === undefined ? '' : ` ${flag.value}`}\n${wrap(said(flag))}\n`)
    .join('');
}

function said(flag: BenchFlag): string {
  const where = belonging(flag);
  return where === '' ? flag.help : `${flag.help} (${where[0]?.toUpperCase()}${where.slice(1)}.)`;
}
