using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using Postrider.Core.Transport;

namespace Postrider.Core.Diagnostics;

/// <summary>Every log line of the Core. Event ids stay.</summary>
internal static partial class Log
{
    private static readonly Func<ILogger, string, string, string, int, string?, IDisposable?> Handling =
        LoggerMessage.DefineScope<string, string, string, int, string?>(
            "message {MessageId} of '{Queue}', consumer '{Consumer}', attempt {Attempt}, correlation id {CorrelationId}");

    [LoggerMessage(1, LogLevel.Warning, "No transport was chosen: messages stay in this process's memory. Choose one, such as UsePgmq(), or UseInMemory() to say so.")]
    public static partial void NoTransportChosen(this ILogger logger);

    [LoggerMessage(2, LogLevel.Information, "Messaging of '{Application}' runs on {System}: {Queues} queues, {Bindings} bindings.")]
    public static partial void Started(this ILogger logger, string application, string system, int queues, int bindings);

    [LoggerMessage(3, LogLevel.Warning, "The broker is not available, trying again in {Pause}: {Reason}")]
    public static partial void BrokerUnavailable(this ILogger logger, TimeSpan pause, string reason);

    [LoggerMessage(4, LogLevel.Critical, "Messaging stops the application with exit code {ExitCode}: {Reason}")]
    public static partial void Fatal(this ILogger logger, int exitCode, string reason);

    [LoggerMessage(5, LogLevel.Information, "The transport {System} emulates {Capability}: {How}")]
    public static partial void Emulated(this ILogger logger, string system, TransportCapability capability, string? how);

    [LoggerMessage(6, LogLevel.Warning, "The consumer '{Consumer}' of '{Queue}' discards messages whose attempts are used up (RetryPolicy.OnExhausted): they are lost.")]
    public static partial void DiscardsExhausted(this ILogger logger, string consumer, string queue);

    [LoggerMessage(7, LogLevel.Critical, "The transport '{Transport}' is given up until the next start; the others go on: {Reason}")]
    public static partial void GivenUp(this ILogger logger, string transport, string reason);

    [LoggerMessage(8, LogLevel.Information, "The transport '{Transport}' is drained: nothing is left in its {Queues} queues. {DeadLetters} dead letters stay. When every host says so, take it out of Messaging:DrainFrom.")]
    public static partial void TransportDrained(this ILogger logger, string transport, int queues, long deadLetters);

    [LoggerMessage(9, LogLevel.Warning, "The transport '{Transport}' was drained, but {Messages} messages have come: somebody still publishes there.")]
    public static partial void FilledAgain(this ILogger logger, string transport, long messages);

    [LoggerMessage(14, LogLevel.Warning, "What is left on the transport '{Transport}' is not known at the moment: {Reason}")]
    public static partial void NotCounted(this ILogger logger, string transport, string reason);

    [LoggerMessage(15, LogLevel.Warning, "The transport '{Transport}' cannot count what is left in its queues: find out by its own tools when it is drained.")]
    public static partial void CannotCount(this ILogger logger, string transport);

    [LoggerMessage(16, LogLevel.Warning, "The queue '{Queue}' is bound to {Pattern}, but the transport '{Transport}' maps the topic '{Topic}' to {Target}: nothing of it comes from there.")]
    public static partial void BoundToMapped(this ILogger logger, string queue, string pattern, string transport, string topic, string target);

    [LoggerMessage(10, LogLevel.Information, "Receiving from the queue '{Queue}': concurrency {Concurrency}, {Prefetch} to {LargestPrefetch} messages under way.")]
    public static partial void Receiving(this ILogger logger, string queue, int concurrency, int prefetch, int largestPrefetch);

    [LoggerMessage(11, LogLevel.Warning, "Receiving from the queue '{Queue}' failed, trying again in {Pause}: {Reason}")]
    public static partial void ReceiveFailed(this ILogger logger, string queue, TimeSpan pause, string reason);

    [LoggerMessage(12, LogLevel.Information, "Receiving from the queue '{Queue}' again.")]
    public static partial void ReceiveRecovered(this ILogger logger, string queue);

    [LoggerMessage(13, LogLevel.Information, "Stopped receiving from the queue '{Queue}': {Abandoned} handlers had to be abandoned.")]
    public static partial void Drained(this ILogger logger, string queue, int abandoned);

    [LoggerMessage(20, LogLevel.Warning, "The message {MessageId} of '{Queue}' failed at attempt {Attempt} and is tried again in {Delay}.")]
    public static partial void Retrying(this ILogger logger, Exception? exception, string messageId, string queue, int attempt, TimeSpan delay);

    [LoggerMessage(21, LogLevel.Error, "The message {MessageId} of '{Queue}' goes to the dead-letter queue after attempt {Attempt}: {Reason}, {Description}")]
    public static partial void DeadLettering(
        this ILogger logger, Exception? exception, string messageId, string queue, int attempt, string reason, string? description);

    [LoggerMessage(22, LogLevel.Warning, "The message {MessageId} of '{Queue}' was handed out {Redeliveries} times without an outcome; it is handled alone.")]
    public static partial void Suspect(this ILogger logger, string messageId, string queue, int redeliveries);

    [LoggerMessage(23, LogLevel.Warning, "The lease of the message {MessageId} of '{Queue}' was lost; its handler is cancelled and nothing is settled.")]
    public static partial void LeaseLost(this ILogger logger, string messageId, string queue);

    [LoggerMessage(24, LogLevel.Warning, "The settlement of the message {MessageId} of '{Queue}' had no effect: its lease was over. It is handled again.")]
    public static partial void SettlementLost(this ILogger logger, string messageId, string queue);

    [LoggerMessage(25, LogLevel.Warning, "{Count} settlements of '{Queue}' could not be told to the broker, trying again in {Pause}: {Reason}")]
    public static partial void SettlementFailed(this ILogger logger, int count, string queue, TimeSpan pause, string reason);

    [LoggerMessage(26, LogLevel.Warning, "Leases of '{Queue}' could not be renewed: {Reason}")]
    public static partial void RenewalFailed(this ILogger logger, string queue, string reason);

    [LoggerMessage(27, LogLevel.Error, "The consumer pump of '{Queue}' failed; it restarts in {Pause}.")]
    public static partial void PumpFailed(this ILogger logger, Exception exception, string queue, TimeSpan pause);

    [LoggerMessage(28, LogLevel.Warning, "The message {MessageId} of '{Queue}' is discarded at attempt {Attempt}: {Reason}, {Description}")]
    public static partial void Discarding(
        this ILogger logger, Exception? exception, string messageId, string queue, int attempt, string reason, string? description);

    [LoggerMessage(29, LogLevel.Information, "The message {MessageId} of '{Queue}' comes again after {Redeliveries} hand-outs without an outcome: a process or connection ended, or a lease.")]
    public static partial void Redelivered(this ILogger logger, string messageId, string queue, int redeliveries);

    [LoggerMessage(31, LogLevel.Error, "OnFailed threw for the message {MessageId} of '{Queue}', which is a dead letter all the same.")]
    public static partial void OnFailedFailed(this ILogger logger, Exception exception, string messageId, string queue);

    [LoggerMessage(32, LogLevel.Error, "The exception reporter {Reporter} threw; it was to report: {Reported}")]
    public static partial void ReportFailed(this ILogger logger, Exception exception, string reporter, string reported);

    [LoggerMessage(33, LogLevel.Critical, "The message {MessageId} stops the queue '{Queue}' at attempt {Attempt}, as its RetryPolicy.OnExhausted says. It stays in the queue, of which nothing is taken until it is resumed. {Description}")]
    public static partial void StoppingQueue(this ILogger logger, Exception? exception, string messageId, string queue, int attempt, string? description);

    [LoggerMessage(44, LogLevel.Warning, "No transaction could be begun for the message {MessageId} of '{Queue}', trying again in {Pause}: {Reason}")]
    public static partial void BeginFailed(this ILogger logger, string messageId, string queue, TimeSpan pause, string reason);

    [LoggerMessage(45, LogLevel.Warning, "The connection broke while the message {MessageId} of '{Queue}' was committed. If it was not, it is handled again when its lease is over.")]
    public static partial void CommitUnknown(this ILogger logger, string messageId, string queue);

    [LoggerMessage(30, LogLevel.Warning, "INSECURE: the transport '{System}' takes any certificate; whoever sits on the network can read and forge everything. Remove TlsOptions.InsecureSkipVerification.")]
    public static partial void TlsNotVerified(this ILogger logger, string system);

    [LoggerMessage(EventId = 40, Message = "The consumer '{Consumer}' of '{Queue}' handled the message {MessageId} ({MessageType}), attempt {Attempt}, in {Duration}: {Outcome}.")]
    public static partial void Handled(
        this ILogger logger, LogLevel level, string consumer, string queue, string messageId, string? messageType, int attempt, TimeSpan duration, OutcomeKind outcome);

    [LoggerMessage(EventId = 41, Message = "The consumer '{Consumer}' of '{Queue}' ended with {Exception} at the message {MessageId} ({MessageType}), attempt {Attempt}, after {Duration}.")]
    public static partial void HandlingFailed(
        this ILogger logger, LogLevel level, string consumer, string queue, string exception, string messageId, string? messageType, int attempt, TimeSpan duration);

    [LoggerMessage(EventId = 42, Message = "Published the message {MessageId} ({MessageType}) to the {Destination} in {Duration}: {Status}.")]
    public static partial void Published(
        this ILogger logger, LogLevel level, string messageId, string? messageType, Destination destination, TimeSpan duration, PublishStatus status);

    [LoggerMessage(EventId = 43, Message = "Did not publish the message {MessageId} ({MessageType}) to the {Destination}, after {Duration}: {Exception}.")]
    public static partial void PublishingFailed(
        this ILogger logger, LogLevel level, string? messageId, string? messageType, Destination destination, TimeSpan duration, string exception);

    [LoggerMessage(50, LogLevel.Debug, "The answer {MessageId} is dropped: nobody waits for it, or its request {RequestId} has been answered.")]
    public static partial void AnswerDropped(this ILogger logger, string messageId, string? requestId);

    [LoggerMessage(51, LogLevel.Warning, "The request {MessageId} of '{Queue}' is not answered: {Reason}")]
    public static partial void NotAnswered(this ILogger logger, string messageId, string queue, string reason);

    [LoggerMessage(52, LogLevel.Warning, "Whoever sent the request {MessageId} of '{Queue}' could not be told that it failed: {Reason}")]
    public static partial void FaultNotSent(this ILogger logger, string messageId, string queue, string reason);

    [LoggerMessage(65, LogLevel.Error, "The observer {Observer} threw; it was to be told of: {Event}")]
    public static partial void ObserverFailed(this ILogger logger, Exception exception, string observer, string @event);

    [LoggerMessage(75, LogLevel.Error, "The handler '{Consumer}' of '{Queue}' has run for {Age} with the message {MessageId} ({MessageType}), attempt {Attempt}: it hangs. {StandIn}")]
    public static partial void HandlerHangs(
        this ILogger logger, string? consumer, string queue, string messageId, string? messageType, int attempt, TimeSpan age, string standIn);

    [LoggerMessage(76, LogLevel.Warning, "The handler '{Consumer}' of '{Queue}' that hung with the message {MessageId} has returned after about {Age}.")]
    public static partial void HungReturned(this ILogger logger, string? consumer, string queue, string messageId, TimeSpan age);

    [LoggerMessage(77, LogLevel.Warning, "The host stops waiting after {ShutdownTimeout} (HostOptions.ShutdownTimeout), but running handlers may take {DrainTimeout} (DrainTimeout), and {After} more until all is settled. Make the one longer or the other shorter, or what runs then is handled again.")]
    public static partial void ShutdownTooShort(this ILogger logger, TimeSpan shutdownTimeout, TimeSpan drainTimeout, TimeSpan after);

    [LoggerMessage(78, LogLevel.Warning, "{Signal} ends the process at once, with exit code {ExitCode}: what runs is handled again.")]
    public static partial void EndedBySignal(this ILogger logger, PosixSignal signal, int exitCode);

    // Somebody asked for these two: they are to be seen wherever warnings are.
    [LoggerMessage(79, LogLevel.Warning, "{Status}. {Running} handlers run. The thread pool has {Threads} threads; {Pending} work items wait, {Completed} are done.")]
    public static partial void StatusReport(this ILogger logger, string status, int running, int threads, long pending, long completed);

    [LoggerMessage(80, LogLevel.Warning, "The handler '{Consumer}' of '{Queue}' has run for {Age} with the message {MessageId} ({MessageType}), attempt {Attempt}. {Hangs}")]
    public static partial void RunningReport(
        this ILogger logger, string? consumer, string queue, TimeSpan age, string messageId, string? messageType, int attempt, string hangs);

    [LoggerMessage(90, LogLevel.Warning, "What is below '{Prefix}' in the state store could not be read, which is tried again and again: {Reason}")]
    public static partial void StateNotRead(this ILogger logger, string prefix, string reason);

    [LoggerMessage(91, LogLevel.Warning, "The state store could not tell who holds '{Name}', trying again in {Pause}: {Reason}")]
    public static partial void LockNotTaken(this ILogger logger, string name, TimeSpan pause, string reason);

    [LoggerMessage(92, LogLevel.Information, "This process is registered as {Id}: {Process}.")]
    public static partial void Registered(this ILogger logger, string id, string process);

    [LoggerMessage(93, LogLevel.Error, "This process was taken for dead: its entry {Id} has expired, as no heartbeat got through in time. It stops consuming for a moment and goes on as {NewId}.")]
    public static partial void Reaped(this ILogger logger, string id, string newId);

    [LoggerMessage(94, LogLevel.Warning, "The heartbeat could not be written, which is tried again and again: {Reason}")]
    public static partial void HeartbeatFailed(this ILogger logger, string reason);

    [LoggerMessage(95, LogLevel.Information, "The queue '{Queue}' is paused: {Reason}")]
    public static partial void QueuePaused(this ILogger logger, string queue, string? reason);

    [LoggerMessage(96, LogLevel.Information, "The queue '{Queue}' is resumed.")]
    public static partial void QueueResumed(this ILogger logger, string queue);

    [LoggerMessage(97, LogLevel.Information, "Another process consumes the queue '{Queue}'; this one stands by.")]
    public static partial void StandingBy(this ILogger logger, string queue);

    [LoggerMessage(98, LogLevel.Warning, "This process may not consume the queue '{Queue}' any more: its place was lost, so its handlers are cancelled.")]
    public static partial void PlaceLost(this ILogger logger, string queue);

    [LoggerMessage(99, LogLevel.Warning, "The circuit breaker of the queue '{Queue}' opens, for the {Trips}. time, for {Pause}: {Reason}")]
    public static partial void CircuitOpened(this ILogger logger, string queue, int trips, TimeSpan pause, string reason);

    [LoggerMessage(100, LogLevel.Information, "The circuit breaker of the queue '{Queue}' closes.")]
    public static partial void CircuitClosed(this ILogger logger, string queue);

    [LoggerMessage(101, LogLevel.Warning, "The state store could not take what happened to the circuit breaker of the queue '{Queue}': {Reason}")]
    public static partial void CircuitNotTold(this ILogger logger, string queue, string reason);

    [LoggerMessage(102, LogLevel.Warning, "The queue '{Queue}' is not consumed yet: the state store is not there, so nobody knows whether it is paused.")]
    public static partial void StateNotKnown(this ILogger logger, string queue);

    [LoggerMessage(103, LogLevel.Error, "The queue '{Queue}' could not be paused for all processes, so it is only for this one until it starts again: {Reason}")]
    public static partial void PausedHereOnly(this ILogger logger, string queue, string reason);

    [LoggerMessage(60, LogLevel.Warning, "The stats of this host cannot be shared with the other processes, trying again: {Reason}")]
    public static partial void StatsNotShared(this ILogger logger, string reason);

    [LoggerMessage(61, LogLevel.Warning, "The stats of this host are not shared with the other processes, as those of {Consumers} consumers and {Types} message types are more than an entry of the state store holds.")]
    public static partial void StatsTooLarge(this ILogger logger, int consumers, int types);

    [LoggerMessage(62, LogLevel.Warning, "The state store's entry '{Key}' is left out of the stats, as it cannot be read: another version wrote it, or something else.")]
    public static partial void StatsUnreadable(this ILogger logger, string key);

    [LoggerMessage(120, LogLevel.Error, "The lifecycle hook {Hook} failed at {Call}; messaging goes on without it: {Reason}")]
    public static partial void HookFailed(this ILogger logger, Exception exception, string hook, string call, string reason);

    [LoggerMessage(121, LogLevel.Information, "What is below '{Prefix}' in the state store can be read again.")]
    public static partial void StateReadAgain(this ILogger logger, string prefix);

    [LoggerMessage(130, LogLevel.Warning, "The queue '{Queue}' was flushed by {By} ({Process}): {Count} messages were removed for good (with delayed ones: {Delayed}).")]
    public static partial void Flushed(this ILogger logger, string queue, string by, string process, long count, bool delayed);

    [LoggerMessage(131, LogLevel.Warning, "The queue '{Queue}' could not be flushed by {By} ({Process}), or only in part: {Reason}")]
    public static partial void FlushFailed(this ILogger logger, string queue, string by, string process, string reason);

    /// <summary>For everything that is logged while a message is handled.</summary>
    public static IDisposable? BeginHandling(this ILogger logger, ConsumeContext context) =>
        Handling(logger, context.MessageId, context.Queue, context.Consumer, context.Attempt, context.CorrelationId);

    [LoggerMessage(140, LogLevel.Information, "Found the queue '{Queue}' by '{Pattern}': it is consumed from now on.")]
    public static partial void QueueFound(this ILogger logger, string queue, string pattern);

    [LoggerMessage(141, LogLevel.Information, "The queue '{Queue}', which was found by the beginning of its name, is gone.")]
    public static partial void QueueGone(this ILogger logger, string queue);

    [LoggerMessage(142, LogLevel.Warning, "Which queues there are on the transport '{Transport}' cannot be told at the moment; those that are known stay: {Reason}")]
    public static partial void QueuesNotListed(this ILogger logger, string transport, string reason);

    [LoggerMessage(143, LogLevel.Error, "The queue '{Queue}', which was found by the beginning of its name, cannot be consumed and is left alone until it is gone or messaging starts again: {Reason}")]
    public static partial void FoundQueueFaulted(this ILogger logger, string queue, string reason);
}
