import {byId} from './dom.js';
import {linkPages} from './session.js';

if (!linkPages()) byId('note').textContent = 'The pages need a token: open the link that ./dev example prints.';
