// Paho C, the Client of firmware and gateways.

import { tellStories } from './matrix.ts';
import { pahoC } from './paho.ts';

tellStories([pahoC()]);
