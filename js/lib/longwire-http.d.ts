export { Fallback } from "./fallback.js";
