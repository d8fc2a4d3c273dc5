using Npgsql;
using NpgsqlTypes;

namespace Postrider.Transports.Pgmq;

/// <summary>Messages as the arrays that the publishing statement takes.</summary>
/// <param name="count">How many.</param>
/// <param name="mapped">Whether they go to queues of others, which remember no ids.</param>
/// <param name="window">How long an id is remembered; zero: it is not.</param>
internal readonly struct PublishColumns(int count, bool mapped, TimeSpan window)
{
    private readonly bool[] _topics = new bool[count];
    private readonly string[] _names = new string[count];
    private readonly string[] _ids = new string[count];
    private readonly byte[][] _messages = new byte[count][];
    private readonly byte[][] _headers = new byte[count][];
    private readonly long[] _delays = new long[count];

    public void Set(int i, in PublishItem item) =>
        (_topics[i], _names[i], _ids[i], _messages[i], _headers[i], _delays[i]) = (item.IsTopic, item.Mapped ?? item.Name, item.Id, item.Message, item.Headers, item.Delay);

    /// <returns>How many copies of each were stored; 0 is unroutable, -1 a duplicate.</returns>
    public async Task<int[]> StoreAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        var once = !mapped && window > TimeSpan.Zero;
        var command = new NpgsqlCommand(mapped ? Sql.PublishMapped : once ? Sql.PublishOnce : Sql.Publish, connection);
        await using (command.ConfigureAwait(false))
        {
            command.Parameters.Add(new NpgsqlParameter<bool[]> { TypedValue = _topics, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Boolean });
            command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = _names, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text });
            command.Parameters.Add(new NpgsqlParameter<byte[][]> { TypedValue = _messages, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Jsonb });
            command.Parameters.Add(new NpgsqlParameter<byte[][]> { TypedValue = _headers, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Jsonb });
            command.Parameters.Add(new NpgsqlParameter<long[]> { TypedValue = _delays, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bigint });
            if (once)
            {
                command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = _ids, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text });
                command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = window.Ticks / TimeSpan.TicksPerMicrosecond, NpgsqlDbType = NpgsqlDbType.Bigint });
            }

            return (int[])(await command.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false))!;
        }
    }
}
