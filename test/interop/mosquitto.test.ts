// mosquitto_pub and mosquitto_sub, the Clients that everybody tries first.

import { tellStories } from './matrix.ts';
import { mosquitto } from './mosquitto.ts';

tellStories([mosquitto]);
