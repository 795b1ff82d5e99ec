// Numbers of a data directory. Where there is none they are named, and have no values.

import type { EmbeddedGauges } from '@skein/embedded';
import type { Add, Measured, Sample } from './metric.ts';

/** Of the data directory. */
export function addDisk({ disk }: Measured, counter: Add, gauge: Add): void {
  const reading = (read: (gauges: EmbeddedGauges) => number | undefined) => (): readonly Sample[] => {
    const gauges = disk();
    const value = gauges === undefined ? undefined : read(gauges);
    return value === undefined ? [] : [[{}, value]];
  };
  gauge(
    'mqtt_store_journal_bytes',
    'Bytes of the journal since the last snapshot: what the next start has to replay.',
    [],
    reading(({ journalBytes }) => journalBytes),
  );
  counter(
    'mqtt_store_snapshots_total',
    'Snapshots of the data directory that were completed.',
    [],
    reading(({ snapshots }) => snapshots),
  );
  gauge(
    'mqtt_store_snapshot_bytes',
    'Bytes of the last snapshot.',
    [],
    reading(({ snapshotBytes }) => snapshotBytes),
  );
  gauge(
    'mqtt_store_snapshot_seconds',
    'How long the last snapshot took.',
    [],
    reading(({ snapshots, snapshotSeconds }) => (snapshots === 0 ? undefined : snapshotSeconds)),
  );
  gauge(
    'mqtt_store_free_bytes',
    'Bytes that are free on the disk of the data directory.',
    [],
    reading(({ freeBytes }) => freeBytes),
  );
  gauge(
    'mqtt_store_short',
    '1 while new messages are refused since the disk is nearly full.',
    [],
    reading(({ isShort }) => (isShort ? 1 : 0)),
  );
  gauge(
    'mqtt_store_stuck',
    '1 while the data directory cannot be written to.',
    [],
    reading(({ isStuck }) => (isStuck ? 1 : 0)),
  );
  counter(
    'mqtt_store_sync_seconds_sum',
    'Seconds that the disk took to make sure of what was written.',
    [],
    reading(({ syncSeconds }) => syncSeconds),
  );
  counter(
    'mqtt_store_sync_seconds_count',
    'How often the disk was asked to make sure of what was written.',
    [],
    reading(({ syncs }) => syncs),
  );
}
