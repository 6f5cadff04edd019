package io.outboxinbox.inbox.kafka;

/** What all lanes of a consumer share. */
record LaneContext(
    Settings settings,
    Arrivals arrivals,
    MessageTransaction transaction,
    TopicIds topicIds,
    Workers workers,
    StepWatch stepWatch,
    Troubles troubles) {}
