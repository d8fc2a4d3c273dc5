using System.Diagnostics;
using Npgsql;
using NpgsqlTypes;
using Postrider.Core.Transport;

namespace Postrider.Transports.Pgmq;

/// <summary>
/// Reads a queue for answers, an ordinary one of PGMQ, and says now and then that it is still read. Whoever says so drops the queues of processes that have not for a while, so
/// nothing is left of a process that was killed, once another one asks.
/// </summary>
internal sealed class ReplyReader : IReplyReader
{
    private const string Doing = "keep a queue for answers";

    /// <summary>How long a queue lives on of which nothing is heard: longer than a server takes to start again.</summary>
    private static readonly TimeSpan Stay = TimeSpan.FromMinutes(5);

    private static readonly TimeSpan BetweenSigns = TimeSpan.FromMinutes(1);

    private readonly Connections _connections;
    private readonly string _queue;
    private ReceiverReplyReader? _reader;
    private long _shown;

    private ReplyReader(Connections connections, string queue) => (_connections, _queue) = (connections, queue);

    /// <param name="connections">The server, whose schema is ready.</param>
    /// <param name="queue">The queue for answers.</param>
    /// <param name="receive">Receives from it, by the name of its table.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    public static async ValueTask<ReplyReader> OpenAsync(
        Connections connections, string queue, Func<ReceiverOptions, string, IReceiver> receive, CancellationToken cancellationToken)
    {
        var reader = new ReplyReader(connections, queue);
        var table = await reader.ShowAsync(cancellationToken).ConfigureAwait(false);
        reader._reader = new(receive(new() { Queue = queue, Prefetch = ReceiverReplyReader.Most }, table));
        return reader;
    }

    public async ValueTask<IReadOnlyList<Envelope>> ReadAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var next = BetweenSigns - Stopwatch.GetElapsedTime(_shown);
            if (next <= TimeSpan.Zero)
            {
                await ShowAsync(cancellationToken).ConfigureAwait(false);
                continue;
            }

            using var turn = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            turn.CancelAfter(next);
            try
            {
                return await _reader!.ReadAsync(turn.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                // It is time for a sign.
            }
        }
    }

    public ValueTask DisposeAsync() => _reader?.DisposeAsync() ?? default;

    /// <returns>The queue's table.</returns>
    private async ValueTask<string> ShowAsync(CancellationToken cancellationToken)
    {
        var connection = await _connections.OpenAsync(_connections.Receive, Doing, cancellationToken).ConfigureAwait(false);
        await using (connection.ConfigureAwait(false))
        {
            try
            {
                var command = new NpgsqlCommand(Sql.KeepReplyQueue, connection);
                await using (command.ConfigureAwait(false))
                {
                    command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = _queue });
                    command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = (long)Stay.TotalSeconds, NpgsqlDbType = NpgsqlDbType.Bigint });
                    var table = (string)(await command.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false))!;
                    _shown = Stopwatch.GetTimestamp();
                    return table;
                }
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                throw _connections.Failed(e, Doing);
            }
        }
    }
}
