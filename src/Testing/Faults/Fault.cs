namespace Postrider.Testing;

/// <summary>What a <see cref="FaultyTransport"/> does wrong. Each is a mistake that a transport could plausibly make.</summary>
public enum Fault
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>Says that every hundredth message is stored, and drops it.</summary>
    DropsMessages,

    /// <summary>Stores every hundredth message twice.</summary>
    DuplicatesMessages,

    /// <summary>Stores a batch in the wrong order.</summary>
    Reorders,

    /// <summary>Says that a queue is empty, although messages of it are delayed or handed out.</summary>
    CountsNothing,

    /// <summary>Says that all messages of a queue are ready, also delayed ones and those in hand.</summary>
    CountsAllAsReady,

    /// <summary>Says that no message of a queue has waited.</summary>
    HidesAge,

    /// <summary>Lists no queues.</summary>
    HidesQueues,

    /// <summary>Lists dead-letter queues, too.</summary>
    ListsDeadLetterQueues,

    /// <summary>Shows what is in a queue by taking it and giving it back.</summary>
    BrowsesByTaking,

    /// <summary>Begins each page with what was on the one before.</summary>
    RepeatsPages,

    /// <summary>Shows of a queue only what is ready and of the default level.</summary>
    HidesWaiting,

    /// <summary>Shows a message although it is gone.</summary>
    ShowsWhatIsGone,

    /// <summary>Says that a queue was flushed, and removes nothing.</summary>
    FlushesNothing,

    /// <summary>Removes what is delayed, too, although nobody asked for it.</summary>
    FlushesDelayed,

    /// <summary>Flushes all queues that it knows.</summary>
    FlushesAllQueues,

    /// <summary>Says that messages are stored, and sends them a little later.</summary>
    ConfirmsEarly,

    /// <summary>Says that refused messages are stored.</summary>
    LiesAboutResults,

    /// <summary>Reports the failure of one message for its whole batch.</summary>
    FailsWholeBatch,

    /// <summary>Reports results in another order than that of the batch, of publishes and settlements.</summary>
    ShufflesResults,

    /// <summary>Throws for a bad message instead of reporting it.</summary>
    ThrowsOnBadItem,

    /// <summary>Throws for an empty batch.</summary>
    ThrowsOnEmptyBatch,

    /// <summary>Throws when a publish is cancelled.</summary>
    ThrowsOnCancel,

    /// <summary>Publishes though it was cancelled before.</summary>
    IgnoresCancel,

    /// <summary>Says of a cancelled publish that nothing was sent, though it was.</summary>
    SaysNotSent,

    /// <summary>Says that a message is stored when it has only seen its id before, in any queue.</summary>
    SwallowsSameIds,

    /// <summary>Says that a message is a duplicate when an earlier publish of it failed.</summary>
    BurnsIds,

    /// <summary>Sends to a queue also go to the topic of that name.</summary>
    SendsToEverybody,

    /// <summary>A topic's message goes to one of its queues.</summary>
    SharesOneCopy,

    /// <summary><c>*</c> takes more than one word.</summary>
    StarTakesMany,

    /// <summary><c>#</c> takes at least one word.</summary>
    HashNeedsAWord,

    /// <summary>Bindings with wildcards do not work.</summary>
    MissesPatterns,

    /// <summary>A queue gets a copy for each of its bindings that matches.</summary>
    DeliversOverlapTwice,

    /// <summary>Does not tell topics apart that differ in their last character.</summary>
    MisroutesTopics,

    /// <summary>The bindings of a delayed publish are resolved when it is due.</summary>
    RoutesDelayedLate,

    /// <summary>New bindings get what was published before.</summary>
    ReplaysHistory,

    /// <summary>Delayed publishes never come.</summary>
    DropsDelayed,

    /// <summary>Delays of publishes and retries are ignored.</summary>
    IgnoresDelay,

    /// <summary>What is delayed comes three seconds late.</summary>
    DelaysTooLong,

    /// <summary>While a message of a queue is delayed nothing else comes from it.</summary>
    DelayedBlockTheQueue,

    /// <summary>While the broker is away every call waits.</summary>
    HangsOnOutage,

    /// <summary>Key, correlation and causation id do not arrive.</summary>
    ForgetsMetadata,

    /// <summary>How a body is encoded does not arrive.</summary>
    ForgetsContentEncoding,

    /// <summary>When a message expires does not arrive.</summary>
    ForgetsExpiry,

    /// <summary>A message without a content type gets one.</summary>
    InventsMetadata,

    /// <summary>Text is cut down to ASCII.</summary>
    TrimsUnicode,

    /// <summary>One header does not arrive.</summary>
    ForgetsHeaders,

    /// <summary>Header values are cut and empty ones left out.</summary>
    TrimsHeaders,

    /// <summary>A user's header sets a property.</summary>
    TrustsReservedHeaders,

    /// <summary>Trace context does not arrive.</summary>
    LosesTrace,

    /// <summary>The last byte of bodies changes.</summary>
    CorruptsBodies,

    /// <summary>White space at the end, and what is beyond 64 KiB, does not arrive.</summary>
    TrimsBodies,

    /// <summary>Whatever looks like JSON is formatted anew.</summary>
    ReformatsJson,

    /// <summary>JSON loses repeated members.</summary>
    NormalizesJson,

    /// <summary>Every delivery is a first attempt.</summary>
    LosesAttempt,

    /// <summary>Redeliveries are not counted.</summary>
    ForgetsRedeliveries,

    /// <summary>A retry goes on counting redeliveries.</summary>
    KeepsRedeliveries,

    /// <summary>A release is counted as a redelivery.</summary>
    CountsReleases,

    /// <summary>A release resets the redeliveries.</summary>
    ReleaseForgetsRedeliveries,

    /// <summary>A retry has no headers.</summary>
    RetryForgetsHeaders,

    /// <summary>A retry has no key.</summary>
    RetryForgetsMetadata,

    /// <summary>A redelivery has no headers.</summary>
    RedeliveryForgetsHeaders,

    /// <summary>A dead letter has no headers.</summary>
    DeadLetterForgetsHeaders,

    /// <summary>A dead letter has no key.</summary>
    DeadLetterForgetsMetadata,

    /// <summary>A dead letter has the wrong reason.</summary>
    DropsDeadLetterReason,

    /// <summary>A dead letter that is deleted stays.</summary>
    KeepsDiscarded,

    /// <summary>The texts of a dead letter's reason are cut.</summary>
    TrimsDeadLetterTexts,

    /// <summary>No queue gets priorities.</summary>
    IgnoresPriorities,

    /// <summary>Every queue gets priorities.</summary>
    InventsPriorities,

    /// <summary>Lower levels wait until nothing else does.</summary>
    StarvesLowerLevels,

    /// <summary>Lower levels get a share also where they are to get none.</summary>
    SharesStrictQueues,

    /// <summary>What was delayed has no priority.</summary>
    DelayForgetsPriority,

    /// <summary>What is retried or released has no priority.</summary>
    ReturnForgetsPriority,

    /// <summary>A dead letter has no priority.</summary>
    DeadLetterForgetsPriority,

    /// <summary>A delivery says that it is from the queue of its level.</summary>
    NamesSubQueues,

    /// <summary>Hands out more than was asked for.</summary>
    IgnoresMax,

    /// <summary>A receive that has to wait is never woken.</summary>
    SleepsThrough,

    /// <summary>A receive that has to wait returns an empty list.</summary>
    ReturnsEmpty,

    /// <summary>What arrives for a cancelled receive is lost.</summary>
    LosesOnCancel,

    /// <summary>Takes everything that is there, whatever it was asked for.</summary>
    HoardsMessages,

    /// <summary>What others did not settle is never handed out.</summary>
    HoldsForever,

    /// <summary>Leases are shorter than was asked for.</summary>
    GivesAwayEarly,

    /// <summary>Says that leases are renewed.</summary>
    NoRenewal,

    /// <summary>Says that a settlement or renewal took effect when it had none.</summary>
    LiesAboutSettling,

    /// <summary>A late settlement settles the delivery of the current holder.</summary>
    NoFencing,

    /// <summary>A second settlement takes effect.</summary>
    SettlesTwice,

    /// <summary>Acks are not told.</summary>
    ForgetsAcks,

    /// <summary>Every hundredth settlement is not told.</summary>
    LosesSettlements,

    /// <summary>Reports the failure of one settlement for its whole batch.</summary>
    FailsWholeSettlement,

    /// <summary>A retry removes the message.</summary>
    DropsRetries,

    /// <summary>A retry is published to the topic again.</summary>
    RetriesEverywhere,

    /// <summary>Releases are not told.</summary>
    LosesReleases,

    /// <summary>A dead letter is removed.</summary>
    DropsDeadLetters,

    /// <summary>A dead letter also stays in its queue.</summary>
    DeadLetterKeepsOriginal,

    /// <summary>A dead letter that cannot be written is removed.</summary>
    DropsDeadLettersWhenUnavailable,

    /// <summary>A dead letter comes to every dead-letter queue.</summary>
    SharesDeadLetterQueues,

    /// <summary>Deliveries are acked when they are handed out.</summary>
    AcksEarly,

    /// <summary>Stopping does nothing.</summary>
    StopIgnored,

    /// <summary>What was fetched ahead is not handed back when stopping.</summary>
    StopLosesClaimed,

    /// <summary>After stopping nothing can be settled.</summary>
    StopEndsSettling,

    /// <summary>Stopping one receiver closes the transport.</summary>
    StopStopsTheTransport,

    /// <summary>Closing never ends.</summary>
    HangsOnClose,

    /// <summary>Closing twice throws.</summary>
    ThrowsOnSecondClose,

    /// <summary>Receiving from a missing queue makes it.</summary>
    OpensMissingQueues,

    /// <summary>There are no dead-letter queues.</summary>
    HasNoDeadLetterQueue,

    /// <summary>A declaration replaces the bindings of earlier ones.</summary>
    DeclareForgetsOld,

    /// <summary>Declaring a queue again empties it.</summary>
    DeclareEmptiesQueues,

    /// <summary>Declaring a queue again throws.</summary>
    ThrowsOnSecondDeclare,

    /// <summary>Does not say why a capability is not native.</summary>
    HidesReasons,

    /// <summary>Says that it takes part in transactions of a database, and does not.</summary>
    ClaimsTransactions,

    /// <summary>Answers to requests are stored, and never read.</summary>
    LosesReplies,
}
