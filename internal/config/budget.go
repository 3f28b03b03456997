package config

// Sizes by which the orchestrator decides whether the budget of an investigation allows another request. The construct warns
// about budgets that are too small. All are tokens.
const (
	// FirstRequest is about the largest projected input of a first request, which contains the evidence.
	FirstRequest = 12_000

	// LeastRound is the minimum of output tokens for a round of an investigation.
	LeastRound = 2048

	// LeastConclusion is the minimum of output tokens for a conclusion. A report takes about 2,000.
	LeastConclusion = 1024

	// AnswersOfCalls is how many tokens are reserved for the outputs of the tool calls that precede a conclusion. If they are
	// longer, earlier rounds are removed from the conversation.
	AnswersOfCalls = 4096
)
