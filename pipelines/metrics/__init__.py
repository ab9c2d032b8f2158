"""Pure arithmetic on rankings, probabilities and behaviour, with intervals; everyone above measures with it."""
