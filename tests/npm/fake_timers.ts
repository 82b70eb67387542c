export { default } from "npm:@sinonjs/fake-timers@15.5.0";
