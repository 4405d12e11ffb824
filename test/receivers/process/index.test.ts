import process_ from '../../../receivers/process/index.ts';
import { testGoldens, testGoldensElsewhere } from '../../support/golden.ts';

testGoldens(process_);
testGoldensElsewhere(process_);
