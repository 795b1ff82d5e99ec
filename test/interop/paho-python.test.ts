// Paho Python, the Client of scripts.

import { tellStories } from './matrix.ts';
import { pahoPython } from './paho.ts';

tellStories([pahoPython()]);
