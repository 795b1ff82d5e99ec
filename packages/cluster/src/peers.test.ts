import { describePeers } from '@skein/broker/contract';
import { describe, expect, it } from 'vitest';
import { Loopback } from '../testing/place.ts';

describePeers({ describe, it, expect }, 'peers over gRPC', async (options) => new Loopback(options));
