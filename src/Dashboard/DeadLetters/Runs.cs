using Microsoft.Extensions.Logging;
using Postrider.Dashboard.Html;

namespace Postrider.Dashboard.DeadLetters;

/// <summary>
/// The changes that are under way, and the last ones that were, of this process. A change may take hours (a million letters, 50 a second), which no request can:
/// so it goes on by itself, and pages show it. If the process ends, what was not done is still in the dead-letter queue.
/// </summary>
/// <remarks>One at a time for each queue: two replays at once could send the same letter twice.</remarks>
internal sealed class Runs(TimeProvider time, ILogger log, CancellationToken hostStopping)
{
    private const int Kept = 100;

    private readonly Lock _gate = new();
    private readonly List<Run> _runs = [];

    public Run? Find(string? id)
    {
        lock (_gate)
        {
            return _runs.Find(run => run.Id == id);
        }
    }

    public Run? UnderWay(string queue)
    {
        lock (_gate)
        {
            return _runs.Find(run => run.View.Queue == queue && !run.IsOver);
        }
    }

    /// <param name="what">In words.</param>
    /// <param name="view">The queue, and where the page goes back to.</param>
    /// <param name="user">Who asked for it.</param>
    /// <param name="work">Does it.</param>
    /// <param name="cancellationToken">Ends it too.</param>
    /// <exception cref="InputException">The queue has one already.</exception>
    public Run Start(string what, View view, string user, Func<Run, Task> work, CancellationToken cancellationToken = default)
    {
        what = Visible.Line(what);
        var run = new Run(what, view, user, time.GetUtcNow(), CancellationTokenSource.CreateLinkedTokenSource(hostStopping, cancellationToken));
        lock (_gate)
        {
            if (UnderWay(view.Queue) is { } other)
            {
                throw new InputException($"Somebody is at work on this queue already: {other.What} (by {other.User}). Wait until that is over, or stop it.");
            }

            if (_runs.Count >= Kept && _runs.FindIndex(static old => old.IsOver) is >= 0 and var oldest)
            {
                _runs.RemoveAt(oldest);
            }

            log.Began(user, what);
            run.Over = Task.Run(() => ExecuteAsync(run, work), CancellationToken.None);
            _runs.Add(run);
        }

        return run;
    }

    private async Task ExecuteAsync(Run run, Func<Run, Task> work)
    {
        try
        {
            await work(run).ConfigureAwait(false);
            log.Ended(run.User, run.What, run.Done, run.Gone);
        }
        catch (OperationCanceledException) when (run.Stopping.IsCancellationRequested)
        {
            run.Error = hostStopping.IsCancellationRequested ? "The application was stopped." : "It was stopped.";
            log.EndedEarly(null, run.User, run.What, run.Done, run.Gone, run.Error);
        }
        catch (Exception e) when (e is MessagingException or InputException)
        {
            run.Error = e.Message;
            log.EndedEarly(null, run.User, run.What, run.Done, run.Gone, Visible.Line(run.Error));
        }
        catch (Exception e)
        {
            run.Error = "Something unexpected happened; the application's log has it.";
            log.EndedEarly(e, run.User, run.What, run.Done, run.Gone, run.Error);
        }
        finally
        {
            run.Dispose();
        }
    }
}
