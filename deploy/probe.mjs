// `node probe.mjs [/livez]`: asks a node on this machine's admin port. Exit status 0 if it says yes.
//
// For images, where nothing else is there that could ask. The port is the one of SKEIN_ADMIN, else 8080.

const path = process.argv[2] ?? '/livez';
const port = /:(\d+)$/.exec(process.env.SKEIN_ADMIN ?? '')?.[1] ?? '8080';
const deadlineMs = 2000;

try {
  const answer = await fetch(`http://127.0.0.1:${port}${path}?verbose`, { signal: AbortSignal.timeout(deadlineMs) });
  console.log((await answer.text()).trim());
  process.exitCode = answer.ok ? 0 : 1;
} catch (error) {
  console.error(`${path} on port ${port}: ${error instanceof Error ? (error.cause ?? error) : error}`);
  process.exitCode = 1;
}
