using Npgsql;

namespace Postrider;

/// <summary>What a transactional consumer on PGMQ writes with.</summary>
public static class PgmqConsumeContextExtensions
{
    /// <summary>The transaction in which the message is handled, for commands and for EF Core's <c>UseTransaction</c>.</summary>
    /// <exception cref="MessagingConfigurationException">The consumer is not <see cref="ConsumerOptions.Transactional"/>, or not on PGMQ.</exception>
    public static NpgsqlTransaction NpgsqlTransaction(this ConsumeContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return context.Transaction as NpgsqlTransaction ?? throw new MessagingConfigurationException(
            $"The consumer '{context.Consumer}' of the queue '{context.Queue}' has no transaction of PostgreSQL. Set ConsumerOptions.Transactional, on PGMQ.");
    }

    /// <summary>The connection of that transaction: every command on it is part of the transaction. One at a time.</summary>
    /// <exception cref="MessagingConfigurationException">As for <see cref="NpgsqlTransaction"/>.</exception>
    public static NpgsqlConnection NpgsqlConnection(this ConsumeContext context) => context.NpgsqlTransaction().Connection!;
}
