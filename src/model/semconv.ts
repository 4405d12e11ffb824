/** The version of the semantic conventions whose names this agent uses. */
export const SCHEMA_URL = 'https://opentelemetry.io/schemas/1.44.0';
