using Npgsql;

namespace Postrider.Transports.Pgmq;

/// <summary>
/// The ids of published messages, by which duplicates are found. They are stored with the messages; here those whose window is over are removed, now and then, after a publish
/// and beside it. Nothing runs while nothing is published, and a look (<see cref="Sql.ForgetIds"/>) costs the same however large the table is.
/// </summary>
internal sealed class MessageIds(Connections connections, TimeSpan window) : IAsyncDisposable
{
    /// <summary>After so many messages there is a look, on average: by chance, so that a process which publishes few has its share.</summary>
    private const int OneIn = 500;

    /// <summary>As long as a look finds so many, another follows: there was a burst.</summary>
    private const int Much = 1000;

    private const int MaxLooks = 10;

    private readonly CancellationTokenSource _stop = new();
    private Task _looking = Task.CompletedTask;
    private int _busy;

    /// <summary>How long ids are remembered; zero: they are not.</summary>
    public TimeSpan Window => window;

    /// <summary>So many messages were published.</summary>
    public void Published(int count)
    {
        if (window > TimeSpan.Zero && Random.Shared.Next(OneIn) < count && Interlocked.Exchange(ref _busy, 1) == 0)
        {
            _looking = Task.Run(RemoveAsync);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _looking.ConfigureAwait(false);
        _stop.Dispose();
    }

    private async Task RemoveAsync()
    {
        try
        {
            // Each on a connection of its own, so that publishing has its turn.
            for (var look = 0; look < MaxLooks && await LookAsync().ConfigureAwait(false) >= Much; look++)
            {
            }
        }
        catch (Exception)
        {
            // Whoever publishes learns what is wrong with the server. The next look finds what this one did not.
        }
        finally
        {
            Volatile.Write(ref _busy, 0);
        }
    }

    private async Task<int> LookAsync()
    {
        var connection = await connections.OpenAsync(connections.Publish, "forget the ids of messages", _stop.Token).ConfigureAwait(false);
        await using (connection.ConfigureAwait(false))
        {
            var command = new NpgsqlCommand(Sql.ForgetIds, connection);
            await using (command.ConfigureAwait(false))
            {
                return await command.ExecuteNonQueryAsync(_stop.Token).ConfigureAwait(false);
            }
        }
    }
}
