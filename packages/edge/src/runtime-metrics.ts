// Numbers of the process that no line of ours counts: memory, CPU, event loop, garbage collection.

import { collectDefaultMetrics, Registry } from 'prom-client';

let runtimeRegistry: Registry | undefined;

/** Their registry. Measured once, however many nodes it holds. */
export function runtimeMetrics(): Registry {
  if (runtimeRegistry !== undefined) return runtimeRegistry;
  runtimeRegistry = new Registry();
  // The event loop's lag is taken by a timer: every 50 ms, since the usual 10 would be most of what an idle node does.
  // So the figures have a floor of 0.05 s.
  collectDefaultMetrics({ register: runtimeRegistry, eventLoopMonitoringPrecision: 50 });
  // These list every socket to count them.
  for (const name of ['active_handles', 'active_requests', 'active_resources']) {
    runtimeRegistry.removeSingleMetric(`nodejs_${name}`);
    runtimeRegistry.removeSingleMetric(`nodejs_${name}_total`);
  }
  return runtimeRegistry;
}
